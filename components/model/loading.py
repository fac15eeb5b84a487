"""Loads a packaged model by what computes it: torch, or onnxruntime without it."""

from pathlib import Path

from components.model.runtime import Runtime, chosen


def load(package: Path) -> Runtime:
    """Load a package that was checked against its list."""
    what = chosen(package)
    if what.name == "onnx":
        from components.model.onnx_runtime import OnnxRuntime

        return OnnxRuntime(package, what)
    from components.model.torch_runtime import TorchRuntime

    return TorchRuntime.load(package, what)
