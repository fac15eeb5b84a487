"""Raw values of one modality, decoded once for encoders, previews and validation."""

import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from components.core.errors import BadInput
from components.core.libraries import library_versions
from components.core.refs import digest_json
from components.data.manifest import Manifest
from components.features.cache import PreviewCache, content_key, content_number
from components.features.making import Made, ViewCache, as_notices, view_cache
from components.features.modality import Modality, build_modalities
from components.features.rows import Rows, placed
from components.features.spec import ENCODING
from components.parts import loading as parts
from components.parts.contracts import Findings, Noticing, Raw, decoded

_MEDIA_AT_ONCE = 64
"""Decoded media held in memory."""


@dataclass(frozen=True, kw_only=True)
class Examined:
    """Inputs, previews and faults of ``n`` raw values.

    Attributes:
        inputs: view name to ``(n, *shape)``; rows of values with a fault are zeros.
        previews: small forms to show; None for values with a fault.
        contents: ``(n,)`` numbers, equal for equal raw contents; 0 for values with a fault.
        faults: position to the reason why the value cannot be used.
        notices: position to what is odd about the value, where its kind reports it.
    """

    inputs: dict[str, Rows]
    previews: list[bytes | str | None]
    contents: NDArray[np.int64]
    faults: dict[int, BadInput]
    notices: dict[int, tuple[str, ...]]


def cache_keys(modality: Modality) -> dict[str, str]:
    """Names of a modality's folders in the feature cache.

    A name starts with the digest of a view in the features, and ends with the digest of all code
    that makes the view: the version of the encode step, the source of kind and encoder, and the
    versions of their libraries.

    Returns:
        View name to the name of its folder; the modality's own name to the folder of its previews.
    """
    kind = ("kinds", modality.spec.kind)
    shown = digest_json(["preview", modality.decoding, modality.detail])
    names = {modality.name: f"{shown}-{_code([kind], modality.base)}"}
    for name, view in zip(modality.encoders, modality.spec.views, strict=True):
        code = _code([kind, ("encoders", view.encoder)], modality.base)
        names[name] = f"{view.digest}-{code}"
    return names


def _code(made_by: Sequence[tuple[str, str]], base: Path | None) -> str:
    sources = [parts.source_digest(family, name, base) for family, name in made_by]
    libraries = {"numpy"}
    for family, name in made_by:
        libraries |= set(getattr(parts.load(family, name, base), "LIBRARIES", ()))
    return digest_json([ENCODING, sources, library_versions(libraries)])[:16]


class Examiner:
    """Encodes raw values of one modality through the feature cache.

    A medium is decoded only if the cache lacks one of its views or its preview. Texts and fields
    are decoded each time, which costs no more than looking them up.

    Args:
        modality: decodes and encodes the values.
        cache: folder of the feature cache.

    Attributes:
        fresh: view name to the number of values encoded so far, not taken from the cache.
    """

    def __init__(self, modality: Modality, cache: Path) -> None:
        self._modality = modality
        keys = cache_keys(modality)
        self._views = {
            name: view_cache(cache, keys[name], encoder)
            for name, encoder in modality.encoders.items()
        }
        self._previews: PreviewCache | None = None
        if modality.spec.raw == "bytes":
            self._previews = PreviewCache(cache, keys[modality.name])
        self._noticed: PreviewCache | None = None
        if self._previews and isinstance(modality.kind, Noticing):
            self._noticed = PreviewCache(cache, f"noticed-{keys[modality.name]}")
        beside = [cache for cache in (self._previews, self._noticed) if cache is not None]
        self._caches: list[ViewCache | PreviewCache] = [*self._views.values(), *beside]
        most = [getattr(e, "at_once", sys.maxsize) for e in modality.encoders.values()]
        self._at_once = min(_MEDIA_AT_ONCE if self._previews else sys.maxsize, *most)
        self.fresh = dict.fromkeys(self._views, 0)

    def examine(
        self,
        raws: Sequence[Raw],
        map_: Callable[..., Iterable[Any]] = map,
        told: Callable[[float], object] = lambda _: None,
    ) -> Examined:
        """Encode values; contents in the cache are neither decoded nor encoded.

        Args:
            raws: the values.
            map_: ``map``, or the ``map`` of a thread pool, to decode with.
            told: receives the share that is done, now and then while values are encoded.

        Raises:
            UserError: the cache cannot be written.
        """
        faults: dict[int, BadInput] = {}
        keys: list[str | None] = []
        for row, raw in enumerate(raws):
            try:
                keys.append(content_key(self._modality.kind.content(raw)))
            except BadInput as error:
                faults[row] = error
                keys.append(None)
        first = {key: row for row, key in reversed(list(enumerate(keys))) if key is not None}
        broken = self._fill(first, raws, map_, told)
        faults |= {row: broken[key] for row, key in enumerate(keys) if key in broken}
        good = [row for row in range(len(raws)) if row not in faults]
        found = [key for row in good if (key := keys[row]) is not None]
        at = np.array(good, np.int64)
        inputs = {v: placed(cache.take(found), at, len(raws)) for v, cache in self._views.items()}
        shown = dict(zip(good, self._shown(found, [raws[row] for row in good]), strict=True))
        previews = [shown.get(row) for row in range(len(raws))]
        contents = np.zeros(len(raws), np.int64)
        contents[at] = [content_number(key) for key in found]
        said = [as_notices(data) for data in self._noticed.take(found)] if self._noticed else []
        notices = dict(zip(good, said, strict=False))
        return Examined(
            inputs=inputs, previews=previews, contents=contents, faults=faults, notices=notices
        )

    def check(self, raws: Sequence[Raw], map_: Callable[..., Iterable[Any]]) -> Findings:
        """Find values that cannot be used, and odd ones; inputs of the others go to the cache."""
        found = self.examine(raws, map_)
        return Findings(faults=found.faults, notices=found.notices)

    def _fill(
        self,
        first: Mapping[str, int],
        raws: Sequence[Raw],
        map_: Callable[..., Iterable[Any]],
        told: Callable[[float], object],
    ) -> dict[str, BadInput]:
        """Add missing keys to the caches; returns the keys of values that cannot be decoded."""
        keys = list(first)
        if not any(cache.missing(keys) for cache in self._caches):
            return {}
        broken: dict[str, BadInput] = {}
        with ExitStack() as held:
            for cache in self._caches:
                held.enter_context(cache.lock)
                cache.refresh()
            new = sorted(
                set[str]().union(*(cache.missing(keys) for cache in self._caches)),
                key=first.__getitem__,
            )
            if not new:
                return {}
            made = Made(self._modality, self._views, self._previews, self._noticed, new)
            for start in range(0, len(new), self._at_once):
                part = new[start : start + self._at_once]
                given = [raws[first[key]] for key in part]
                values = decoded(self._modality.kind, given, self._modality.detail, map_)
                broken |= made.take(part, given, values, map_)
                told((start + len(part)) / len(new))
            for name, count in made.store().items():
                self.fresh[name] += count
        return broken

    def _shown(self, keys: Sequence[str], raws: Sequence[Raw]) -> Sequence[bytes | str]:
        if self._previews:
            return self._previews.take(keys)
        kind = self._modality.kind
        return [kind.preview(raw, kind.decode(raw)) for raw in raws]


def media_checks(
    manifest: Manifest,
    options: Mapping[str, Mapping[str, Any]],
    cache: Path,
    base: Path | None = None,
) -> dict[str, Examiner]:
    """Checks for ``validate`` that store what they encode in the feature cache for the encode step.

    Only modalities of media get one, since decoding media is most of the work.

    Args:
        manifest: what the columns mean.
        options: options of each modality.
        cache: folder of the feature cache.
        base: folder that a user's own files are relative to.

    Raises:
        UserError: wrong options, or a cache that cannot be written.
    """
    built = build_modalities(manifest, options, base)
    return {n: Examiner(m, cache) for n, m in built.items() if m.spec.raw == "bytes"}


def has_media(modalities: Mapping[str, Modality]) -> bool:
    """Whether a modality's raw values may be files that the records name by path."""
    return any(modality.spec.raw == "bytes" for modality in modalities.values())
