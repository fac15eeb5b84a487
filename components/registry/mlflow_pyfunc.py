"""The ``pyfunc`` flavour of a version: how MLflow loads a model package and answers with it.

A version is an MLflow logged model that holds the package and a file ``MLmodel``. MLflow shows its
signature and answers with it; nothing is pickled.
"""

import os
import tempfile
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mlflow.entities import LoggedModel
    from mlflow.models import ModelSignature

from components.core.files import read_json
from components.prediction.format import THRESHOLDS

PACKAGE = "package"
"""Folder of the model package below a logged model."""
DIGEST = "CONCORD_PACKAGE_DIGEST"
_LOADER = "components.registry"  # its `_load_pyfunc`; registered versions hold this name


def write(logged: "LoggedModel", package: Path, modalities: Mapping[str, str]) -> None:
    """Write the package and its ``MLmodel`` to the place of a logged model.

    Args:
        logged: a logged model that was just made.
        package: folder of the package.
        modalities: modality name to the type of its raw values.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # MLflow warns of its own type hints when it is imported
        from mlflow import pyfunc
        from mlflow.models import Model
    from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

    model = Model(
        artifact_path=logged.name,
        model_uuid=logged.model_id,
        model_id=logged.model_id,
        run_id=logged.source_run_id,
        signature=_signature(modalities, package),
    )
    pyfunc.add_to_model(model, loader_module=_LOADER, data=PACKAGE)
    repository = get_artifact_repository(logged.artifact_location)
    repository.log_artifacts(str(package), PACKAGE)
    with tempfile.TemporaryDirectory() as folder:
        model.save(str(Path(folder) / "MLmodel"))
        repository.log_artifacts(folder)


def _signature(modalities: Mapping[str, str], package: Path) -> "ModelSignature":
    """Columns that a version takes, any subset of the modalities, and those that it returns."""
    from mlflow.models import ModelSignature
    from mlflow.types import DataType
    from mlflow.types.schema import AnyType, Array, ColSpec, Map, Schema

    types = {"bytes": DataType.binary, "text": DataType.string, "fields": Map(AnyType())}
    inputs = Schema(
        [ColSpec(types[raw], name, required=False) for name, raw in sorted(modalities.items())]
    )
    kinds = {
        "label": DataType.string,
        "labels": Array(DataType.string),
        "confidence": DataType.double,
        "probabilities": Map(DataType.double),
    }
    columns = [ColSpec(kinds[name], name) for name in _columns(package)]
    outputs = Schema(columns) if columns else None
    return ModelSignature(inputs=inputs, outputs=outputs)


def _columns(package: Path) -> tuple[str, ...]:
    """The columns of answers: one class, or a set of classes; none without a classifier."""
    place = package / "model.json"
    if place.is_file() and not read_json(place)["classes"]:
        return ()
    if (package / THRESHOLDS).is_file():
        return ("labels", "probabilities")
    return ("label", "confidence", "probabilities")


class PyfuncModel:
    """The model that MLflow calls.

    A row of its data frame is a record, and an empty cell a missing modality. MLflow passes a
    folder and no digest: where ``CONCORD_PACKAGE_DIGEST`` is set, the package must have that one.
    """

    def __init__(self, package: Path) -> None:
        from components.prediction.predictor import Predictor

        wanted = os.environ.get(DIGEST) or None
        self._predictor = Predictor.load(package, digest=wanted)

    def predict(self, model_input: Any, params: object = None) -> Any:  # noqa: ANN401, ARG002
        """Label and confidence, or labels, and probabilities of each row, as a data frame."""
        import pandas as pd

        answers = self._predictor.predict(model_input.to_dict("records"))
        columns = _columns(self._predictor.path)
        rows = [{c: _plain(getattr(a, c)) for c in columns} for a in answers]
        return pd.DataFrame(rows, columns=columns)


def _plain(value: object) -> object:
    return list(value) if isinstance(value, tuple) else value
