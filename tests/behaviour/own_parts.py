"""The user's own parts in ``own/``, one of each family, and where a configuration names them."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from tests import synthetic, tiny


@dataclass(frozen=True, kw_only=True)
class Own:
    """One part.

    Attributes:
        edit: a piece of the file's text and what replaces it, so that results change.
        first: the first step that depends on the file.
        config: pieces of the configuration and what replaces them.
        manifest: pieces of the manifest and what replaces them.
        packaged: whether answering needs the file.
    """

    edit: tuple[str, str]
    first: str
    config: dict[str, str] = field(default_factory=dict)
    manifest: dict[str, str] = field(default_factory=dict)
    packaged: bool = True


PARTS = {
    "projectors": Own(
        edit=("return self.scale *", "return 2 * self.scale *"),
        first="teach",
        config={
            "fusion: gated": "fusion: gated, projector: {name: ./mine/projectors.py, scale: 2.0}"
        },
    ),
    "fusion": Own(
        edit=("return self.scale *", "return 2 * self.scale *"),
        first="teach",
        config={"fusion: gated": "fusion: {name: ./mine/fusion.py, scale: 2.0}"},
    ),
    "losses": Own(
        edit=("return 1.0 *", "return 2.0 *"),
        first="train",
        config={"labeller:": "losses: {./mine/losses.py: {weight: 2.0}}\nlabeller:"},
        packaged=False,
    ),
    "ssl": Own(
        edit=("1.0 * difference", "2.0 * difference"),
        first="train",
        config={"gate:": "ssl: {name: ./mine/ssl.py, drop: 0.2, ratio: 0.5}\ngate:"},
        packaged=False,
    ),
    "balance": Own(
        edit=("1.0 * self", "0.5 * self"),
        first="train",
        config={"evaluation:": "balance: {name: ./mine/balance.py, factor: 0.4}\nevaluation:"},
        packaged=False,
    ),
    "labellers": Own(
        edit=("confidence >=", "confidence >= 0.1 +"),
        first="pseudo_label",
        config={"{name: fixed}": "{name: ./mine/labellers.py, threshold: 0.25}"},
        packaged=False,
    ),
    "kinds": Own(
        edit=("[::-1]", "[::-2]"),
        first="validate",
        manifest={"text: {kind: text,": "text: {kind: ./mine/kinds.py,"},
    ),
    "targets": Own(
        edit=("SHARE = 0.1", "SHARE = 0.2"),
        first="encode",
        manifest={"kind: single": "kind: ./mine/targets.py"},
    ),
    "encoders": Own(
        edit=("/ (1 + len(text))", "/ (2 + len(text))"),
        first="encode",
        config={"OPTIONS": "{text: {encoders: [./mine/encoders.py, hashing]}}"},
    ),
}
_OWN = Path(__file__).with_name("own")
_SHORT = {"epochs: 8": "epochs: 2"}


def text(family: str) -> str:
    """The file of a family's part."""
    return (_OWN / f"{family}.py").read_text()


def replaced(text: str, pieces: Mapping[str, str]) -> str:
    """The text with every piece, which must be in it, replaced."""
    for old, new in pieces.items():
        assert old in text, old
        text = text.replace(old, new)
    return text


def write(folder: Path, families: Iterable[str]) -> Path:
    """Write a data set and a configuration that names own parts of these families.

    Args:
        folder: takes ``data`` and ``conf``, the own files in ``conf/mine``.
        families: a part of each is chosen.
    """
    chosen = {family: PARTS[family] for family in families}
    data = tiny.make(folder / "data", 120)
    config = _SHORT | {"URI": str(data)}
    manifest = tiny.MANIFEST
    mine = folder / "conf" / "mine"
    mine.mkdir(parents=True)
    for family, own in chosen.items():
        (mine / f"{family}.py").write_text(text(family))
        manifest = replaced(manifest, own.manifest)
        config |= own.config
    (data / "dataset.yaml").write_text(manifest)
    config.setdefault("OPTIONS", "{}" if "kinds" in chosen else str(synthetic.OPTIONS))
    path = mine.parent / "tiny.yaml"
    path.write_text(replaced(tiny.CONFIG, config))
    return path


def edit(path: Path, family: str) -> None:
    """Change the own part of a family so that it gives other results."""
    file = path.parent / "mine" / f"{family}.py"
    file.write_text(replaced(file.read_text(), dict([PARTS[family].edit])))
