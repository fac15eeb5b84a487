"""Which version users get and why: gate, ledger, promotion; one module speaks MLflow."""

from typing import Any


def _load_pyfunc(path: str) -> Any:  # noqa: ANN401
    """What MLflow calls to load a version: registered versions name this module as their loader."""
    from components.registry.mlflow_store import load_pyfunc

    return load_pyfunc(path)
