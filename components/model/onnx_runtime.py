"""A packaged model computed by onnxruntime, without torch.

The graph has the network and the committee's maps of dense views. Sparse views are mapped in numpy
before it, since onnxruntime knows no sparse rows.
"""

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from components.core.refs import digest_file
from components.features.rows import Rows, placed
from components.features.target import build_target
from components.model.description import WEIGHTS, columns_of, read_description
from components.model.listing import check_code
from components.model.outputs import Inference
from components.model.reference import Reference
from components.model.runtime import GRAPH, Answered, Chosen
from components.model.sparse_maps import SparseMaps
from components.parts.own import is_own, source
from components.parts.session import Session, shared

_BATCH = 512
_SHIFT, _VIEWS = "committee.shift", "committee.views."


class OnnxRuntime:
    """See ``runtime.Runtime``.

    Args:
        folder: a package with an export.
        chosen: the runtime that its export recorded.
    """

    def __init__(self, folder: Path, chosen: Chosen) -> None:
        check_code(folder)
        told = read_description(folder)
        shape = told.config
        for family, part in (("projectors", shape.projector), ("fusion", shape.fusion)):
            if is_own(part.name):  # it is not imported, but a package names no other code
                source(family, part.name, told.base)
        self.chosen = chosen
        self.specs, self.names = told.specs, sorted(told.specs)
        self.target = build_target(told.target, told.classes, told.base)
        self.classes = self.target.classes
        self.views = {name: told.specs[name].dense(name) for name in self.names}
        self.sparse = {name: told.specs[name].sparse(name) for name in self.names}
        self.columns = columns_of(told.specs)
        self._mix, self._dim = told.mix, told.config.dim
        with ThreadPoolExecutor(1) as beside:  # onnxruntime lets others run while it opens a graph
            opening = beside.submit(_opened, folder / GRAPH)
            self.reference = Reference.load(folder)
            self.reads_sparse = bool(self._mix.committee or self.reference)
            self._shift, self._maps = _committee(folder, self._sparse_views)
            self._session = opening.result()
        self._inputs, self._outputs = set(self._session.inputs), self._session.outputs

    @property
    def _sparse_views(self) -> list[str]:
        return [view for views in self.sparse.values() for view in views]

    def answer(self, arrays: Mapping[str, Rows], present: NDArray[np.bool_]) -> Answered:
        """Answer encoded records; see ``runtime.Runtime``."""
        n = len(present)
        found = Inference.blank(n, len(self.classes), self._dim, self.names)
        parts: dict[str, list[NDArray[np.float32]]] = {}
        for start in range(0, n, _BATCH):
            rows = slice(start, start + _BATCH)
            own = self._run(arrays, present, rows)
            self._fill(found, own, present[rows], start)
            for name, values in own.items():
                if name.startswith("light:"):
                    parts.setdefault(name.removeprefix("light:"), []).append(values)
        light: dict[str, Rows] = {view: np.concatenate(each) for view, each in parts.items()}
        return Answered(inference=found, light=light | self._light_sparse(arrays, present))

    def tempered(
        self, logits: NDArray[np.floating], temperature: NDArray[np.floating] | float
    ) -> NDArray[np.float64]:
        """Logits ``(n, classes)`` at a temperature."""
        shift = self._mix.committee * self._shift
        found: NDArray[np.float64] = (logits - shift) / temperature + shift
        return found

    def _run(
        self, arrays: Mapping[str, Rows], present: NDArray[np.bool_], rows: slice
    ) -> dict[str, NDArray[np.float32]]:
        """The outputs of the graph by name."""
        given: dict[str, NDArray[Any]] = {"present": present[rows]}
        for view in self.columns:
            if view not in self._inputs:
                continue
            own = arrays[view][rows]
            dense = own if isinstance(own, np.ndarray) else self._maps[view].logits(own)
            given[view] = np.ascontiguousarray(dense)
        wanted = {name: values for name, values in given.items() if name in self._inputs}
        return dict(zip(self._outputs, self._session.run(self._outputs, wanted), strict=True))

    def _fill(
        self,
        found: Inference,
        own: Mapping[str, NDArray[np.float32]],
        present: NDArray[np.bool_],
        start: int,
    ) -> None:
        """Put a batch in its place; what a record lacks stays blank."""
        answerable = np.flatnonzero(present.any(axis=1))
        found.fused[start + answerable] = own["fused"][answerable]
        if self.classes:
            found.logits[start + answerable] = own["logits"][answerable]
        for column, name in enumerate(self.names):
            has = np.flatnonzero(present[:, column])
            found.embeddings[name][start + has] = own[f"embedding:{name}"][has]
            if self.classes:
                found.modality_logits[name][start + has] = own[f"logits:{name}"][has]

    def _light_sparse(
        self, arrays: Mapping[str, Rows], present: NDArray[np.bool_]
    ) -> dict[str, Rows]:
        if self.reference is None:
            return {}
        found = {}
        for view, maps in self._maps.items():
            if len(maps.idf):
                at = np.flatnonzero(present[:, self.columns[view]])
                found[view] = placed(maps.weighted(arrays[view][at]), at, len(present))
        return found


def _opened(graph: Path) -> Session:
    return shared(digest_file(graph), lambda: graph)


def _committee(folder: Path, views: list[str]) -> tuple[NDArray[np.float64], dict[str, SparseMaps]]:
    """The shift ``(classes,)``, and the maps of sparse views; nothing else is read."""
    from safetensors import safe_open

    with safe_open(folder / WEIGHTS, "np") as file:
        names = list(file.keys())
        maps = {}
        for view in views:
            stem = f"{_VIEWS}{view}."
            own = {n.removeprefix(stem): file.get_tensor(n) for n in names if n.startswith(stem)}
            maps[view] = SparseMaps.of(own)
        return file.get_tensor(_SHIFT).astype(np.float64), maps
