"""What a packaged model is computed by: the protocol that torch and onnxruntime fulfil."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from components.core.files import read_json
from components.features.rows import Rows
from components.features.spec import ModalitySpec
from components.model.outputs import Inference
from components.model.reference import Reference
from components.parts.contracts import Target

GRAPH, RUNTIME = "model.onnx", "runtime.json"
"""The exported graph of a package, and by what the package is answered."""
BEFORE = "its package was made before exports; `concord run CONFIG` registers a version with one"


@dataclass(frozen=True, kw_only=True)
class Chosen:
    """What computes a package.

    Attributes:
        name: ``onnx`` or ``torch``.
        reason: the parts that torch computes, and why; empty where none is.
    """

    name: str
    reason: str = ""


@dataclass(frozen=True, kw_only=True)
class Answered:
    """What a runtime gives for records.

    Attributes:
        inference: logits and vectors.
        light: view name to what light heads read ``(n, dim)``; empty where nothing is compared.
    """

    inference: Inference
    light: Mapping[str, Rows]


class Runtime(Protocol):
    """A loaded model; may be used from several threads.

    Attributes:
        chosen: what computes it.
        names: sorted modality names.
        classes: sorted class names.
        target: what is predicted.
        specs: modality name to what builds it again.
        views: modality name to the views that the network reads.
        sparse: modality name to its sparse views.
        columns: view name to the column of its modality in a present mask.
        reads_sparse: whether sparse views have any part in an answer.
        reference: training records to compare with, if the model keeps some.
    """

    chosen: Chosen
    names: list[str]
    classes: list[str]
    target: Target
    specs: dict[str, ModalitySpec]
    views: dict[str, list[str]]
    sparse: dict[str, list[str]]
    columns: dict[str, int]
    reads_sparse: bool
    reference: Reference | None

    def answer(self, arrays: Mapping[str, Rows], present: NDArray[np.bool_]) -> Answered:
        """Answer encoded records.

        Args:
            arrays: view name to cached inputs ``(n, *shape)``; absent rows are never read.
            present: ``(n, modalities)``, modalities sorted by name.
        """
        ...

    def tempered(
        self, logits: NDArray[np.floating], temperature: NDArray[np.floating] | float
    ) -> NDArray[np.float64]:
        """Logits ``(n, classes)`` at a temperature; see ``network.Model.tempered``."""
        ...


def chosen(package: Path) -> Chosen:
    """The runtime that computes a package, as its export recorded."""
    if not (package / RUNTIME).is_file():
        return Chosen(name="torch", reason=BEFORE)
    told = read_json(package / RUNTIME)
    return Chosen(name=str(told["runtime"]), reason=str(told["reason"]))
