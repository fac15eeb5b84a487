"""What a modality of a data set consists of: its kind, and its encoders with their views."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from components.core.errors import UsageError, UserError, unknown_name
from components.core.refs import digest_json
from components.data.manifest import Manifest
from components.parts import loading as parts
from components.parts.contracts import Carried, Encoder, Kind, Target, is_sparse
from components.parts.modality_options import ChosenEncoder, modality_options
from components.parts.own import OWN, is_own
from components.parts.reading import Reading

ENCODING = 5
"""Version of the encode step: raise it when code of this room changes what the step writes.

The feature cache is then filled anew as well. 2: a modality has views, one for each encoder.
3: coded labels are in a file of their own. 4: equal contents have equal numbers. 5: blank text is
an empty cell in fields too.
"""


@dataclass(frozen=True, kw_only=True)
class ViewSpec:
    """One modality through one encoder.

    Attributes:
        encoder: the part's name.
        options: its full Config.
        digest: digest of all that determines an input: the kind's decoding and the encoder.
        shape: shape of the input of one record.
        dtype: number type of the input.
        sparse: whether inputs are rows of a sparse array, which the network does not read.
        view: the name that the configuration gives it; empty: the encoder's own.
    """

    encoder: str
    options: dict[str, Any]
    digest: str
    shape: tuple[int, ...]
    dtype: str
    sparse: bool = False
    view: str = ""

    @property
    def name(self) -> str:
        """The view's own name, else the encoder's: a user's own file is called by its stem."""
        return ChosenEncoder(self.encoder, self.options, self.view).view_name

    def to_json(self) -> dict[str, Any]:
        """The JSON form."""
        tree = {**asdict(self), "shape": list(self.shape)}
        return tree if self.view else {key: tree[key] for key in tree if key != "view"}


@dataclass(frozen=True, kw_only=True)
class ModalitySpec:
    """What is needed to build a modality again, and to trust inputs that it made.

    Attributes:
        kind: the part's name.
        raw: what its raw values are: ``bytes``, ``text`` or ``fields``.
        options: the kind's full Config.
        columns: the manifest's description of the modality.
        views: one for each encoder, in the order in which the network joins them.
        base: folder that a user's own kind and encoders are relative to; it is not stored.
        carried: folder of what a package carries of frozen encoders, by view; it is not stored.
    """

    kind: str
    raw: str
    options: dict[str, Any]
    columns: dict[str, Any]
    views: tuple[ViewSpec, ...]
    base: Path | None = field(default=None, compare=False)
    carried: Path | None = field(default=None, compare=False)

    @classmethod
    def parse(
        cls, value: Mapping[str, Any], base: Path | None = None, carried: Path | None = None
    ) -> "ModalitySpec":
        """Read the JSON form, also that of an earlier format."""
        if "views" not in value:
            from components.features.format_1 import upgraded

            return upgraded(value)
        views = tuple(ViewSpec(**{**v, "shape": tuple(v["shape"])}) for v in value["views"])
        return cls(**{**value, "views": views, "base": base, "carried": carried})

    def to_json(self) -> dict[str, Any]:
        """The JSON form."""
        tree = {**asdict(self), "views": [view.to_json() for view in self.views]}
        del tree["base"], tree["carried"]
        return tree

    def digest(self) -> str:
        """SHA-256 of all that determines the inputs of all views."""
        return digest_json([view.digest for view in self.views])

    def names(self, modality: str) -> list[str]:
        """Names of the views, such as ``title/minilm``."""
        return [f"{modality}/{view.name}" for view in self.views]

    def dense(self, modality: str) -> list[str]:
        """Names of the views that the network reads."""
        return [f"{modality}/{view.name}" for view in self.views if not view.sparse]

    def sparse(self, modality: str) -> list[str]:
        """Names of the sparse views, as ``names`` gives them."""
        return [f"{modality}/{view.name}" for view in self.views if view.sparse]

    @property
    def chosen(self) -> list[tuple[str, str]]:
        """Family and name of the kind and of each encoder."""
        return [("kinds", self.kind), *(("encoders", view.encoder) for view in self.views)]

    @property
    def choice(self) -> dict[str, Any]:
        """The options of a configuration that would give the same modality."""
        encoders = [
            {"name": view.encoder, **({"view": view.view} if view.view else {}), **view.options}
            for view in self.views
        ]
        return {**self.options, "encoders": encoders}

    def build(self, name: str) -> "Modality":
        """Build the modality.

        Raises:
            UserError: its raw values are now decoded or encoded differently than when its inputs
                were made, and the kind does not declare that it answers for that version.
        """
        modality = build_modality(
            name, self.kind, self.choice, self.columns, self.base, self.carried
        )
        answered = [modality.decoding, *modality.earlier]
        encoders = modality.encoders.values()
        for made, now, encoder in zip(self.views, modality.spec.views, encoders, strict=True):
            if made.digest not in (
                _view_digest(decoding, made.encoder, encoder, self.base) for decoding in answered
            ):
                raise UserError(
                    f"modality {name!r} ({self.kind}/{made.name}): its inputs were made with"
                    " another version of the decoder or of the frozen weights"
                    f" (digest {made.digest[:12]}, now {now.digest[:12]}); run again"
                )
        return modality


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


def carry_own(specs: Iterable[ModalitySpec], folder: Path) -> None:
    """Copy a user's own kinds and encoders; ``folder / OWN`` is their new base."""
    for spec in specs:
        parts.carry(spec.chosen, spec.base, folder / OWN)


def build_target(kind: str, classes: Sequence[str], base: Path | None = None) -> Target:
    """What a model of these classes predicts.

    Args:
        kind: the part's name, or a user's own file.
        classes: class names, in the order of the logits.
        base: folder that a user's own files are relative to.
    """
    config = parts.configure("targets", kind, {}, base)
    target: Target = parts.load("targets", kind, base).build(config, classes=classes)
    return target


def other_target(theirs: str, ours: str) -> str:
    """The message where a version predicts something else than the data set asks for."""
    return (
        f"the version to compare with predicts {theirs!r}, and the data set's `target.kind` is "
        f"{ours!r}: these cannot be compared; give the new model another `name`"
    )


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


def _plain(config: Any) -> dict[str, Any]:  # noqa: ANN401
    return {k: list(v) if isinstance(v, tuple) else v for k, v in asdict(config).items()}
