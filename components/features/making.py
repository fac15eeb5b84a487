"""Encodes new contents, and holds what was made until it is stored in the caches."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from components.core.errors import BadInput, UserError
from components.features.cache import FeatureCache, PreviewCache, SparseCache
from components.features.modality import Modality
from components.features.rows import Rows, joined
from components.parts.contracts import Encoder, Noticing, Raw, is_sparse

ViewCache = FeatureCache | SparseCache


def view_cache(folder: Path, key: str, encoder: Encoder) -> ViewCache:
    """The cache of what an encoder makes; ``key`` is the name of its folder."""
    dtype = np.dtype(encoder.dtype)
    if is_sparse(encoder):
        return SparseCache(folder, key, encoder.shape[0], dtype)
    return FeatureCache(folder, key, encoder.shape, dtype)


class Made:
    """Rows and previews of new contents until they are stored; the caches' locks are held."""

    def __init__(
        self,
        modality: Modality,
        views: Mapping[str, ViewCache],
        previews: PreviewCache | None,
        noticed: PreviewCache | None,
        new: Sequence[str],
    ) -> None:
        self._modality, self._views, self._previews = modality, views, previews
        self._wanted = {name: cache.missing(new) for name, cache in views.items()}
        self._rows: dict[str, list[Rows]] = {name: [] for name in views}
        self._keys: dict[str, list[str]] = {name: [] for name in views}
        self._unshown = previews.missing(new) if previews else set()
        self._shown: dict[str, bytes] = {}
        self._noticed = noticed
        self._untold = noticed.missing(new) if noticed else set()
        self._told: dict[str, bytes] = {}

    def take(
        self,
        keys: Sequence[str],
        raws: Sequence[Raw],
        values: Sequence[Any],
        map_: Callable[..., Iterable[Any]],
    ) -> dict[str, BadInput]:
        """Encode decoded values; returns the keys of those that could not be decoded.

        Previews are made with ``map_``: those of a thread pool while the values are encoded.
        """
        kind = self._modality.kind
        broken = {k: v for k, v in zip(keys, values, strict=True) if isinstance(v, BadInput)}
        usable = {k: v for k, v in zip(keys, values, strict=True) if k not in broken}
        raw_of = dict(zip(keys, raws, strict=True))
        unshown = [key for key in usable if key in self._unshown]
        shown = map_(kind.preview, [raw_of[k] for k in unshown], [usable[k] for k in unshown])
        for name, encoder in self._modality.encoders.items():
            wanted = [key for key in usable if key in self._wanted[name]]
            rows = encoder.encode([usable[key] for key in wanted])
            if rows.shape != (len(wanted), *encoder.shape):
                raise UserError(
                    f"view {name}: its encoder made an array of shape {rows.shape}, wanted "
                    f"{(len(wanted), *encoder.shape)} as its `shape` promises; correct the encoder"
                )
            self._rows[name].append(rows)
            self._keys[name] += wanted
        self._shown |= dict(zip(unshown, shown, strict=True))
        if isinstance(kind, Noticing):
            for key in self._untold & usable.keys():
                self._told[key] = _as_bytes(kind.notices(usable[key]))
        return broken

    def store(self) -> dict[str, int]:
        """Add everything to the caches; returns the number of new rows by view name."""
        for name, cache in self._views.items():
            cache.add(self._keys[name], joined(self._rows[name]))
        if self._previews:
            self._previews.add(list(self._shown), list(self._shown.values()))
        if self._noticed:
            self._noticed.add(list(self._told), list(self._told.values()))
        return {name: len(keys) for name, keys in self._keys.items()}


def _as_bytes(notices: tuple[str, ...]) -> bytes:
    return f"{' '.join(notices)}\n".encode()


def as_notices(data: bytes) -> tuple[str, ...]:
    """The notices of a value, as the cache holds them."""
    return tuple(data.decode().split())
