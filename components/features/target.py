"""What a model of given classes predicts."""

from collections.abc import Sequence
from pathlib import Path

from components.parts import loading as parts
from components.parts.contracts import Target


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
