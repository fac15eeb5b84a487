"""Tallies and manifests of small sets, for the rules of the whole set."""

from components.core.yaml_file import parse_yaml
from components.data.manifest import FILE, Manifest, parse
from components.validation.tally import Tally
from tests.datasets import MANIFEST

GOOD = [(f"{s}{c}", s, c) for s in ("train", "val", "test") for c in ("cat", "dog")]


def tally_of(
    records: list[tuple[str, str, str | None]],
    modalities: tuple[str, ...] = ("image", "text", "facts"),
) -> Tally:
    tally = Tally()
    groups, splits, labels = (list(column) for column in zip(*records, strict=True))
    tally.add(groups, splits, labels, {m: [True] * len(records) for m in modalities})
    return tally


def manifest_of(**changes: object) -> Manifest:
    return parse(parse_yaml(MANIFEST, FILE).tree | changes)
