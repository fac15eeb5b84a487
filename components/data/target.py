"""The target of a manifest: what is predicted, and where its labels are."""

from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from components.core.errors import unknown_name
from components.core.strict import Mistakes, Strict
from components.core.values import as_text, is_empty
from components.parts import loading as parts
from components.parts.own import is_own


def _offered_target(kind: str) -> str:
    offered = parts.available("targets")
    if is_own(kind) or kind in offered:
        return kind
    raise ValueError(unknown_name("target", kind, offered))


def _class(name: object) -> object:
    """The name of a class as its column shows it; 1.50 has lost its text and stays a mistake."""
    return as_text(name) if isinstance(name, int) else name


def _each_once(classes: list[str]) -> list[str]:
    if len(set(classes)) < len(classes):
        raise ValueError("a class is named twice")
    if any(is_empty(name) for name in classes):
        raise ValueError("a class has no name; records without a label need no class")
    return classes


class Target(Strict):
    """What is predicted; an empty cell is an unlabelled record."""

    column: str | None = None
    """The column of labels; a target without labels (``none``) has none."""
    kind: Annotated[str, AfterValidator(_offered_target)] = "single"
    """A target that is offered, or a user's own file relative to the run's configuration."""
    separator: Annotated[str, Field(min_length=1)] | None = None
    """Separates the classes of a set stored as text; a set stored as a list needs none.

    An empty list is a label, "none of the classes"; an empty text, like null, is no label."""
    classes: (
        Annotated[
            list[Annotated[str, BeforeValidator(_class)]],
            Field(min_length=2),
            AfterValidator(_each_once),
        ]
        | None
    ) = None
    """All classes; by default the classes of the visible labels."""

    cells: Literal["one", "set", "none"] = "one"
    """What a cell of the column holds, as the target declares: a class, or a set of them."""

    @model_validator(mode="before")
    @classmethod
    def _as_the_kind_declares(cls, tree: object) -> object:
        if isinstance(tree, dict) and tree.get("kind") in parts.available("targets"):
            return {**tree, "cells": parts.load("targets", tree["kind"]).CELLS}
        return tree

    @model_validator(mode="after")
    def _fits_its_kind(self) -> "Target":
        found = []
        if self.cells == "none":
            found = [
                (key, f"a target of kind {self.kind} has no labels, so no {key}; drop it")
                for key in ("column", "separator", "classes")
                if getattr(self, key) is not None
            ]
        elif self.column is None:
            found = [
                ("column", "wanted the column of labels; without any labels write `kind: none`")
            ]
        elif self.separator is not None and self.cells != "set":
            what = f"only a target of kind multi has a separator; this one is {self.kind}"
            found = [("separator", what)]
        if found:
            raise Mistakes(found)
        return self
