"""``concord data``: glyphs, import, check."""

from pathlib import Path

from components.errors import UsageError
from flows.commands.answer import Answer
from flows.display import Display


def glyphs(folder: Path, *, seed: int, faces: str) -> Answer:
    """Make the built-in set."""
    from components.data.glyphs import make_glyphs
    from components.data.recipe import Recipe

    with Display() as display:
        make_glyphs(folder, Recipe(seed=seed, faces=faces), display.show)
    return Answer(
        value={"folder": str(folder.absolute())},
        text=f"made {folder}; its card: {folder / 'card.md'}",
        then="concord run conf/demo.yaml",
    )


def import_(source: Path, folder: Path) -> Answer:
    """Turn a table or a folder of classes into a data set."""
    from components.data.importers import import_dataset

    with Display() as display:
        summary = import_dataset(source, folder, progress=display.show)
    return Answer(value=summary, text=str(summary), then=f"read {folder / 'dataset.yaml'}, then concord data check {folder}")


def check(folder: str, manifest: str | None) -> Answer:
    """Check a data set as a run would."""
    raise UsageError(f"{folder} {manifest}")
