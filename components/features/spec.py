"""What a modality of a data set consists of: its kind, and its encoders with their views."""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from components.core.refs import digest_json
from components.parts import loading as parts
from components.parts.modality_options import ChosenEncoder
from components.parts.own import OWN

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
        """Read the JSON form of today; ``stored.parse`` reads those of earlier formats too."""
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


def carry_own(specs: Iterable[ModalitySpec], folder: Path) -> None:
    """Copy a user's own kinds and encoders; ``folder / OWN`` is their new base."""
    for spec in specs:
        parts.carry(spec.chosen, spec.base, folder / OWN)
