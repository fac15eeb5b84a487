"""What the service accepts of a model package, read from its files without importing torch."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from components.config.run import ServingConfig
from components.core.files import read_json
from components.core.names import FUSED
from components.features import stored
from components.features.spec import ModalitySpec
from components.model.listing import check_code
from components.parts import loading as parts
from components.parts.own import OWN
from serving.interface.responses import FieldInfo, ModalityInfo

if TYPE_CHECKING:
    from components.prediction.seen import Seen

_MEBIBYTE = 1 << 20
_PARTS = 1 << 15  # of what is no record
_MEMBERS = 256  # of a set, in one field


@dataclass(frozen=True, kw_only=True)
class ServedModality:
    """What the service accepts as one modality of a record."""

    kind: str
    raw: str
    """``bytes`` (base64 over HTTP), ``text`` or ``fields``."""
    accepts: str
    schema: dict[str, Any]
    """JSON schema of a value over HTTP."""
    example: Any
    options: dict[str, Any]
    """Options of the kind, its limits."""
    fields: list[FieldInfo] | None
    """Fields of a modality of fields, sorted by name."""
    preview_type: Callable[[bytes | str], str]
    """Media type of a preview."""

    @classmethod
    def of(cls, name: str, spec: ModalitySpec) -> "ServedModality":
        """Ask the kind of a modality; this imports no torch."""
        module = parts.load("kinds", spec.kind, spec.base)
        config = parts.configure("kinds", spec.kind, spec.options, spec.base)
        kind = module.build(config, name=name, columns=spec.columns)
        columns = spec.columns.get("columns")
        return cls(
            kind=spec.kind,
            raw=spec.raw,
            accepts=module.ACCEPTS,
            schema=kind.schema(),
            example=kind.example(),
            options=spec.options,
            fields=_fields(columns) if columns else None,
            preview_type=module.preview_type,
        )


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What the service accepts of one model package."""

    modalities: dict[str, ServedModality]
    """Sorted by name."""
    classes: list[str]
    target: str
    serving: ServingConfig
    card: str | None
    """The model card in Markdown; None where the package has none."""
    max_request_bytes: int
    max_parts: int
    """Texts, brackets, commas and colons that a request may hold."""

    @classmethod
    def read(cls, package: Path) -> "Limits":
        """Read a package's ``model.json`` and ``config.yaml``.

        Raises:
            UserError: the package contains code that its list does not name, or that was changed.
        """
        check_code(package)  # kinds may be the user's own
        description: dict[str, Any] = read_json(package / "model.json")
        config = yaml.safe_load((package / "config.yaml").read_text(encoding="utf-8"))
        modalities = {
            name: ServedModality.of(name, stored.parse(spec, package / OWN))
            for name, spec in sorted(description["modalities"].items())
        }
        media = max(int(m.options.get("max_bytes", 0)) for m in modalities.values())
        serving = ServingConfig.model_validate(config["serving"])
        card = package / "card.md"
        return cls(
            modalities=modalities,
            classes=[str(c) for c in description["classes"]],
            target=str(description.get("target", "single")),
            serving=serving,
            card=card.read_text(encoding="utf-8") if card.is_file() else None,
            # One largest picture in base64 with line breaks always passes; many small ones share
            # the rest.
            max_parts=serving.max_batch * sum(map(_parts, modalities.values())) + _PARTS,
            max_request_bytes=max(32 * _MEBIBYTE, media * 3 // 2 + _MEBIBYTE),
        )

    def example(self) -> dict[str, Any]:
        """A record that the service can answer."""
        return {name: modality.example for name, modality in self.modalities.items()}

    def first(self, raw: str) -> str:
        """The first modality with this type of raw value, else the first of all."""
        return min(self.modalities, key=lambda n: (self.modalities[n].raw != raw, n))

    @property
    def targets(self) -> list[str]:
        """What can be searched: each modality, and the fused vector of all that a record has."""
        return [*self.modalities, FUSED]

    def described(self, seen: "Mapping[tuple[str, str], Seen]") -> list[ModalityInfo]:
        """The modalities as ``GET /v1/model`` describes them.

        Args:
            seen: modality and column to what records hold there.
        """
        return [
            ModalityInfo(
                name=name,
                kind=modality.kind,
                raw=modality.raw,
                accepts=modality.accepts,
                columns=[f.name for f in modality.fields] if modality.fields else None,
                fields=modality.fields
                and [_with(f, seen.get((name, f.name))) for f in modality.fields],
                limits={k: v for k, v in sorted(modality.options.items()) if k.startswith("max_")},
            )
            for name, modality in self.modalities.items()
        ]


def _with(described: FieldInfo, seen: "Seen | None") -> FieldInfo:
    """A field with what records hold in it."""
    names = ("values", "lowest", "highest")
    return described.model_copy(update={n: getattr(seen, n) for n in names} if seen else {})


def _parts(modality: ServedModality) -> int:
    """Parts of JSON that one record may have in a modality: four for each value."""
    fields = modality.fields or []
    return 4 * (2 + sum(_MEMBERS if f.type == "set" else 1 for f in fields))


def _fields(columns: Mapping[str, Mapping[str, Any]]) -> list[FieldInfo]:
    found = []
    for name, spec in sorted(columns.items()):
        null = spec.get("null")
        found.append(
            FieldInfo(
                name=name,
                type=spec["type"],
                unit=spec.get("unit"),
                separator=(spec.get("separator") or ",") if spec["type"] == "set" else None,
                default=null["default"] if isinstance(null, Mapping) else None,
            )
        )
    return found
