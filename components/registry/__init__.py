"""Which version users get and why: gate, ledger, promotion; the modules ``mlflow_*`` use MLflow."""

from pathlib import Path
from typing import Any


def _load_pyfunc(path: str) -> Any:  # noqa: ANN401
    """Load a version for MLflow: registered versions name this module as their loader."""
    from components.registry.mlflow_pyfunc import PyfuncModel

    return PyfuncModel(Path(path))
