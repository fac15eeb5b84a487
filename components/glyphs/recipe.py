"""The seeded recipe of the glyph set: dropped modalities, noise, hidden labels."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, TypeAdapter, ValidationError
from pydantic_core import to_json

from components.core.errors import unknown_name
from components.core.strict import all_at_once, explain
from components.core.yaml_file import read_yaml
from components.data.draws import nested_draws

MODALITIES = ("image", "text", "facts")
_Chance = Annotated[float, Field(ge=0, le=1)]


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """How clean characters become a realistic data set.

    Every random draw depends only on the seed and the record.
    """

    seed: Annotated[int, Field(ge=0, lt=2**32)] = 0
    faces: Annotated[str, Field(pattern="^(regular|all)$")] = "regular"
    """``regular``: 5,810 characters once; ``all``: 47,492 pictures over twelve faces."""
    drop_image: _Chance = 0.15
    drop_text: _Chance = 0.25
    drop_facts: _Chance = 0.2
    """Chance that a record lacks the modality; one is always kept."""
    shift: Annotated[int, Field(ge=0, le=16)] = 1
    """A picture is moved by up to this many pixels each way."""
    noise: Annotated[float, Field(ge=0, le=1)] = 0.06
    """Standard deviation of the pixel noise, full range 1."""
    mask_words: _Chance = 0.55
    """Chance that an informative word is struck from a name."""
    null_facts: _Chance = 0.2
    """Chance that a single fact is unknown."""
    rare: Annotated[int, Field(ge=0)] = 20
    """Families (see the card) with fewer characters than this stay unlabelled."""
    labels: tuple[Annotated[int, Field(ge=1)], ...] = (4, 25, 100)
    """Labels per class of the draws in ``labelled.parquet``."""
    draws: Annotated[int, Field(ge=1, le=100)] = 3

    def generator(self, *key: int) -> np.random.Generator:
        """A generator that depends only on the seed and the key."""
        return np.random.default_rng([self.seed, *key])


def read_recipe(path: Path) -> Recipe:
    """The recipe under ``glyphs`` in a parameter file.

    Raises:
        UsageError: the file cannot be read, or has options that the recipe lacks.
    """
    document = read_yaml(path, f"no parameters at {path}; wanted a YAML file with `glyphs:`")
    options = document.tree.get("glyphs", {})
    if not isinstance(options, dict):
        options, document.mistakes[:] = {}, [f"glyphs: got {options!r}, wanted a mapping"]
    known = {f.name for f in fields(Recipe)}
    problems = document.mistakes + [
        f"glyphs.{unknown_name('option', k, known)}" for k in options if k not in known
    ]
    given = {k: v for k, v in options.items() if k in known}
    try:
        # JSON knows lists only, so that strict checks accept them for tuples.
        recipe = TypeAdapter(Recipe).validate_json(to_json(given), strict=True)
    except ValidationError as error:
        raise all_at_once(path, explain(error, Recipe, "glyphs") + problems) from error
    if problems:
        raise all_at_once(path, problems)
    return recipe


def dropped(recipe: Recipe, random: np.random.Generator) -> frozenset[str]:
    """Modalities that a record loses; at least one is kept.

    >>> dropped(Recipe(drop_image=0, drop_text=0, drop_facts=0), np.random.default_rng(0))
    frozenset()
    """
    lost = random.random(3) < (recipe.drop_image, recipe.drop_text, recipe.drop_facts)
    if lost.all():
        lost[random.integers(3)] = False
    return frozenset(m for m, gone in zip(MODALITIES, lost, strict=True) if gone)


def noisy(
    picture: NDArray[np.uint8], recipe: Recipe, random: np.random.Generator
) -> NDArray[np.uint8]:
    """A picture ``(height, width)``, shifted without wrapping around, with Gaussian noise."""
    down, right = random.integers(-recipe.shift, recipe.shift + 1, size=2)
    padded = np.pad(picture, recipe.shift)
    top, left = recipe.shift - down, recipe.shift - right
    moved = padded[top : top + picture.shape[0], left : left + picture.shape[1]].astype(np.float32)
    moved += random.normal(0.0, 255 * recipe.noise, size=moved.shape).astype(np.float32)
    # 16 grey levels: finer noise would only make the files larger.
    coarse: NDArray[np.uint8] = (np.clip(moved, 0, 255).astype(np.uint8) // 16) * 17
    return coarse


def telling_words(
    names: Sequence[str], labels: Sequence[str | None], share: float = 0.5, least: int = 4
) -> frozenset[str]:
    """Words that occur ``least`` times in one class, with at least ``share`` of all their uses."""
    uses: dict[str, Counter[str | None]] = {}
    for name, label in zip(names, labels, strict=True):
        for word in set(words(name)):
            uses.setdefault(word, Counter())[label] += 1
    return frozenset(
        w
        for w, count in uses.items()
        if (top := max(count.values())) >= least and top >= share * count.total()
    )


def words(name: str) -> list[str]:
    """Words of a name; hyphens separate words too (``DOTS-123``)."""
    return name.replace("-", " ").split()


def masked(name: str, telling: frozenset[str], recipe: Recipe, random: np.random.Generator) -> str:
    """A name without randomly chosen informative words; empty if no word is left."""
    said = words(name)
    keep = random.random(len(said)) >= recipe.mask_words
    return " ".join(w for w, kept in zip(said, keep, strict=True) if kept or w not in telling)


def nulled(facts: Mapping[str, Any], recipe: Recipe, random: np.random.Generator) -> dict[str, Any]:
    """The facts, with some randomly set to unknown."""
    unknown = random.random(len(facts)) < recipe.null_facts
    return {
        name: None if gone else value
        for (name, value), gone in zip(facts.items(), unknown, strict=True)
    }


def draw_labels(
    ids: Sequence[str], labels: Sequence[str | None], recipe: Recipe
) -> dict[str, list[Any]]:
    """Columns of ``labelled.parquet``: ids of training records, and ``labelled_<k>_seed<s>``.

    The sets of one seed are nested, and a class gives at most half of its training records.
    """
    generators = {seed: recipe.generator(1, seed) for seed in range(recipe.draws)}
    return nested_draws(ids, labels, recipe.labels, generators)
