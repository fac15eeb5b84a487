"""A modality of a data set, built: it decodes raw values and encodes them into views."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from components.core.errors import UsageError, UserError, unknown_name
from components.core.refs import digest_json
from components.data.manifest import Manifest
from components.features.spec import ModalitySpec, ViewSpec
from components.parts import loading as parts
from components.parts.contracts import Carried, Encoder, Kind, is_sparse
from components.parts.modality_options import ChosenEncoder, modality_options
from components.parts.own import is_own
from components.parts.reading import Reading


@dataclass(frozen=True, kw_only=True)
class Modality:
    """One modality of one data set, built: decodes its raw values and encodes them into views.

    Attributes:
        name: name of the modality.
        spec: what builds it again.
        decoding: digest of the kind, its version and the options that determine a decoded value.
        earlier: digests of the versions whose models the kind answers for.
        kind: decodes raw values.
        encoders: view name to encoder, in the order of the spec.
        read: turns a value, as a data set or a request holds it, into a raw value, or None where
            the record lacks the modality.
        base: folder that a user's own files are relative to.
    """

    name: str
    spec: ModalitySpec
    decoding: str
    kind: Kind
    encoders: dict[str, Encoder]
    read: Reading
    base: Path | None = None
    earlier: tuple[str, ...] = ()

    @property
    def detail(self) -> int:
        """The finest resolution that an encoder needs; 0 if one needs all."""
        wanted = [encoder.detail for encoder in self.encoders.values()]
        return max(wanted) if all(wanted) else 0


def build_modality(
    name: str,
    kind: str,
    options: Mapping[str, Any],
    columns: Mapping[str, Any],
    base: Path | None = None,
    carried: Path | None = None,
) -> Modality:
    """Build a modality from its options and the manifest's columns.

    Args:
        name: name of the modality.
        kind: name of the part that decodes.
        options: see ``parts.modality_options``.
        columns: the manifest's description of the modality.
        base: folder that a user's own files are relative to.
        carried: folder of what a package carries of frozen encoders, by view.

    Raises:
        UsageError: an unknown kind or encoder, an encoder of another kind, or wrong options.
    """
    own, chosen = modality_options(kind, options, base)
    module = parts.load("kinds", kind, base)
    config = parts.configure("kinds", kind, own, base)
    built: Kind = module.build(config, name=name, columns=dict(columns))
    decoding = _decoding(kind, module.VERSION, base, _shaping(config))
    # A model carries its options, so that the digests of before, without them, tell the same.
    versions = (module.VERSION, *getattr(module, "EARLIER", ()))
    earlier = tuple(_decoding(kind, version, base) for version in versions)
    views, encoders = [], {}
    for one in chosen:
        own_carried = None if carried is None else carried / name
        view, made = _view(one, built, decoding, base, own_carried)
        views.append(view)
        encoders[f"{name}/{view.name}"] = made
    if all(view.sparse for view in views):
        raise UsageError(
            f"encoders: got only {[v.name for v in views]}, whose sparse counts the network does "
            "not read; name another encoder beside it, such as 'minilm'"
        )
    spec = ModalitySpec(
        kind=kind,
        raw=module.RAW,
        options=_plain(config),
        columns=dict(columns),
        views=tuple(views),
        base=base,
    )
    return Modality(
        name=name,
        spec=spec,
        decoding=decoding,
        kind=built,
        encoders=encoders,
        read=Reading(name, module.RAW, columns.get("columns")),
        base=base,
        earlier=earlier,
    )


def rebuilt(name: str, spec: ModalitySpec) -> Modality:
    """Build a modality again from its spec.

    Raises:
        UserError: its raw values are now decoded or encoded differently than when its inputs were
            made, and the kind does not declare that it answers for that version.
    """
    modality = build_modality(name, spec.kind, spec.choice, spec.columns, spec.base, spec.carried)
    answered = [modality.decoding, *modality.earlier]
    encoders = modality.encoders.values()
    for made, now, encoder in zip(spec.views, modality.spec.views, encoders, strict=True):
        if made.digest not in (
            _view_digest(decoding, made.encoder, encoder, spec.base) for decoding in answered
        ):
            raise UserError(
                f"modality {name!r} ({spec.kind}/{made.name}): its inputs were made with"
                " another version of the decoder or of the frozen weights"
                f" (digest {made.digest[:12]}, now {now.digest[:12]}); run again"
            )
    return modality


def build_modalities(
    manifest: Manifest, options: Mapping[str, Mapping[str, Any]], base: Path | None = None
) -> dict[str, Modality]:
    """Every modality of a manifest, sorted by name, with all its options.

    Raises:
        UsageError: options for a modality that the manifest lacks, or wrong ones; all at once.
    """
    problems = [
        f"modalities.{n}: {unknown_name('modality', n, manifest.modalities)}"
        for n in options
        if n not in manifest.modalities
    ]
    built = {}
    for name, described in sorted(manifest.modalities.items()):
        columns = described.model_dump(mode="json", by_alias=True)
        given = options.get(name, {})
        try:
            built[name] = build_modality(name, described.kind, given, columns, base)
        except UserError as error:
            problems += [f"modalities.{name}: {line}" for line in str(error).splitlines()]
    if problems:
        raise UsageError("\n".join(problems))
    return built


def _decoding(
    kind: str, version: int, base: Path | None, shaping: Mapping[str, Any] | None = None
) -> str:
    source = _own_source("kinds", kind, base)
    return digest_json(
        [PurePosixPath(kind).stem, version, *source, *([shaping] if shaping else [])]
    )


def _shaping(config: Any) -> dict[str, Any]:  # noqa: ANN401
    """Options that determine a decoded value; limits, ``max_…``, only refuse values."""
    return {
        field.name: value
        for field in fields(config)
        if not field.name.startswith("max_")
        and (value := getattr(config, field.name)) != field.default
    }


def _view_digest(decoding: str, name: str, encoder: Encoder, base: Path | None) -> str:
    return digest_json([decoding, encoder.digest(), *_own_source("encoders", name, base)])


def _own_source(family: str, name: str, base: Path | None) -> list[str]:
    """Digest of a user's own file, which may change without a new version."""
    return [parts.source_digest(family, name, base)] if is_own(name) else []


def _view(
    chosen: ChosenEncoder,
    built: Kind,
    decoding: str,
    base: Path | None,
    carried: Path | None,
) -> tuple[ViewSpec, Encoder]:
    module = parts.load("encoders", chosen.name, base)
    config = parts.configure("encoders", chosen.name, chosen.options, base)
    made: Encoder = module.build(config, kind=built)
    if carried is not None and isinstance(made, Carried):
        folder = carried / chosen.view_name
        if folder.is_dir():
            made.use(folder)
    view = ViewSpec(
        encoder=chosen.name,
        options=_plain(config),
        digest=_view_digest(decoding, chosen.name, made, base),
        shape=tuple(made.shape),
        dtype=np.dtype(made.dtype).name,
        sparse=is_sparse(made),
        view=chosen.view,
    )
    return view, made


def _plain(config: Any) -> dict[str, Any]:  # noqa: ANN401
    return {k: list(v) if isinstance(v, tuple) else v for k, v in asdict(config).items()}
