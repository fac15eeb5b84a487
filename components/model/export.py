"""The network and the committee as one graph for onnxruntime, beside a package's weights.

Inputs are view name to cached inputs, of a sparse view what ``SparseMaps.logits`` gives, and the
present mask. Outputs are named by what they are: ``logits``, ``fused``, and ``logits:MODALITY``,
``embedding:MODALITY``, ``light:VIEW`` (what light heads read).
"""

import io
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from components.core.files import write_atomically, write_json
from components.features.modality import rebuilt
from components.model.committee import LinearView
from components.model.description import CARRIED
from components.model.network import Model
from components.model.present import masked
from components.model.runtime import GRAPH, RUNTIME, Chosen
from components.parts import loading as parts
from components.parts.contracts import Carried
from components.parts.network import ViewNetwork
from components.parts.own import is_own
from components.parts.session import session

OPSET = 18
"""The newest that torch's exporter for traced modules writes well; onnxruntime runs it."""
_TRACED, _TRIED = 4, (1, 3, 8)
_TOLERANCE = 1e-4
PRESENT = "present"


@dataclass(frozen=True, kw_only=True)
class Exported:
    """What came of an export.

    Attributes:
        graph: the graph, or None.
        why_not: the part that cannot be exported, and the reason; empty otherwise.
    """

    graph: bytes | None
    why_not: str = ""


def write(model: Model, folder: Path) -> Chosen:
    """Write the graph of a model into its package, and what computes the package."""
    found = export(model)
    if found.graph is None:
        (folder / GRAPH).unlink(missing_ok=True)
    else:
        write_atomically(folder / GRAPH, found.graph)
    why = "; ".join(filter(None, [found.why_not, *_torch_encoders(model)]))
    chosen = Chosen(name="torch" if found.graph is None else "onnx", reason=why)
    write_json(folder / RUNTIME, {"runtime": chosen.name, "reason": chosen.reason})
    return chosen


def carry(model: Model, folder: Path) -> None:
    """Write the frozen encoders of a model that can be carried into its package."""
    for name in model.names:
        for view, encoder in rebuilt(name, model.specs[name]).encoders.items():
            if isinstance(encoder, Carried):
                own = folder / CARRIED / view
                own.mkdir(parents=True)
                encoder.carry(own)


def _torch_encoders(model: Model) -> list[str]:
    """A remark on each encoder that torch computes, even where onnxruntime runs the network."""
    return [
        f"the encoder of {view} is computed by torch"
        for name in model.names
        for view, own in zip(model.specs[name].names(name), model.specs[name].views, strict=True)
        if "torch" in parts.load("encoders", own.encoder, model.specs[name].base).LIBRARIES
    ]


def export(model: Model) -> Exported:
    """The graph of a model, which was compared with the model itself."""
    whole = _Whole(model).eval()
    try:
        graph = _traced(whole)
        differs = max(_difference(whole, graph, n) for n in _TRIED)
    except Exception as error:  # a user's own part may fail in any way
        first = (str(error).strip().splitlines() or [type(error).__name__])[0]
        return Exported(graph=None, why_not=f"{_suspect(model)} cannot be exported: {first[:200]}")
    if not differs <= _TOLERANCE:
        said = f"{_suspect(model)} gives other answers once exported (by {differs:.2g})"
        return Exported(graph=None, why_not=said)
    return Exported(graph=graph)


class _Whole(nn.Module):
    """A model whose inputs and outputs are in an order."""

    def __init__(self, model: Model) -> None:
        super().__init__()
        self.model = model
        self.views = [v for n in model.names for v in model.views[n]]
        if model.mix.committee:
            self.views += [v for n in model.names for v in model.sparse[n]]
        self.light = (
            []
            if model.reference is None
            else [v for n in model.names for v in model.views[n] if v in model.committee.views]
        )
        own = model.names if model.target.width else []
        self.outputs = [
            *(["logits"] if model.target.width else []), "fused",
            *(f"logits:{n}" for n in own), *(f"embedding:{n}" for n in model.names),
            *(f"light:{v}" for v in self.light),
        ]  # fmt: skip

    def forward(self, *given: Tensor) -> tuple[Tensor, ...]:
        """Views in their order, then the mask."""
        inputs, present = dict(zip(self.views, given[:-1], strict=True)), given[-1]
        found = self.model(inputs, present)
        named = {
            "logits": found.logits.float(),
            "fused": found.fused,
            **{f"logits:{n}": x.float() for n, x in found.modality_logits.items()},
            **{f"embedding:{n}": x for n, x in found.embeddings.items()},
            **{f"light:{v}": self._light(v, inputs[v], present) for v in self.light},
        }
        return tuple(named[name] for name in self.outputs)

    def _light(self, view: str, rows: Tensor, present: Tensor) -> Tensor:
        has = present[:, self.model.columns[view]]
        encoder = cast(ViewNetwork, self.model.encoders[view])
        linear = cast(LinearView, self.model.committee.views[view])
        return masked(linear.standardised(encoder.light(masked(rows, has)).float()), has)

    def example(self, n: int) -> list[Tensor]:
        """Inputs of ``n`` records; the first lacks a modality, where there are several."""
        rng = np.random.default_rng(n)
        shapes = {v: s for m in self.model.names for v, s in _specs(self.model, m).items()}
        made = [torch.from_numpy(_drawn(rng, n, *shapes[view])) for view in self.views]
        present = torch.ones(n, len(self.model.names), dtype=torch.bool)
        present[0, 1:] = False
        for column in range(1, min(n, len(self.model.names))):
            present[column, column] = False
        return [*made, present]


def _specs(model: Model, name: str) -> dict[str, tuple[tuple[int, ...], np.dtype[np.generic]]]:
    """View name to shape and number type of a graph's input."""
    spec = model.specs[name]
    return {
        view: ((model.committee.reads,), np.dtype(np.float32))
        if own.sparse
        else (own.shape, np.dtype(own.dtype))
        for view, own in zip(spec.names(name), spec.views, strict=True)
    }


def _drawn(
    rng: np.random.Generator, n: int, shape: tuple[int, ...], dtype: np.dtype[np.generic]
) -> NDArray[Any]:
    if dtype.kind in "iu":
        return rng.integers(0, 256, (n, *shape)).astype(dtype)
    return rng.normal(size=(n, *shape)).astype(dtype)


def _traced(whole: _Whole) -> bytes:
    """The graph, for any number of records.

    Torch's other exporter needs ``onnxscript`` and takes ten times as long.
    """
    file = io.BytesIO()
    inputs = [*whole.views, PRESENT]
    with warnings.catch_warnings(), torch.inference_mode():
        warnings.simplefilter("ignore")  # what is constant is compared with other batches below
        torch.onnx.export(
            whole,
            tuple(whole.example(_TRACED)),
            cast("Any", file),  # an open file is taken, whatever the annotation says
            dynamo=False,
            opset_version=OPSET,
            input_names=inputs,
            output_names=whole.outputs,
            dynamic_axes={name: {0: "n"} for name in (*inputs, *whole.outputs)},
        )
    return file.getvalue()


def _difference(whole: _Whole, graph: bytes, n: int) -> float:
    """The largest difference between model and graph, with garbage in absent rows."""
    given = whole.example(n)
    with torch.inference_mode():
        wanted = [x.numpy() for x in whole(*given)]
    arrays = {name: x.numpy() for name, x in zip([*whole.views, PRESENT], given, strict=True)}
    spoiled = _spoiled(arrays, whole.model.columns)
    found = session(graph).run(whole.outputs, spoiled)
    return max(float(np.abs(a - b).max()) for a, b in zip(found, wanted, strict=True))


def _spoiled(
    arrays: Mapping[str, NDArray[Any]], columns: Mapping[str, int]
) -> dict[str, NDArray[Any]]:
    found = dict(arrays)
    for view, rows in arrays.items():
        if view != PRESENT:
            found[view] = rows.copy()
            absent = ~arrays[PRESENT][:, columns[view]]
            found[view][absent] = np.nan if rows.dtype.kind == "f" else 255
    return found


def _suspect(model: Model) -> str:
    """The user's own parts, which an export most likely fails for."""
    shape = (("projector", model.config.projector.name), ("fusion", model.config.fusion.name))
    own = [f"{what} {name}" for what, name in shape if is_own(name)]
    views = [v.encoder for n in model.names for v in model.specs[n].views]
    return " or ".join([*own, *(f"encoder {v}" for v in views if is_own(v))]) or "the model"
