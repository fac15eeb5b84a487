"""A package of the same model with one class more."""

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from components.core.errors import UserError
from components.core.files import read_json, write_atomically, write_json
from components.core.refs import digest_folder
from components.features.rows import Rows, joined
from components.model import export, storage
from components.model.inference import infer
from components.model.light_rows import light_rows
from components.model.listing import FILES
from components.model.network import Model
from components.model.reference import Reference
from components.model.runtime import Chosen
from components.model.torch_runtime import TorchRuntime
from components.model.unfamiliar import write_distances
from components.model.widening import widened
from components.parts.label_sets import DEFAULT_THRESHOLD
from components.prediction import named
from components.prediction.classifier import NO_CLASSIFIER, Classifier, Record
from components.prediction.format import CARD, THRESHOLDS, digests
from components.prediction.new_class import Found, fit, known_classes

MOST = 1000
"""Exemplars that are read."""


@dataclass(frozen=True, kw_only=True)
class Added:
    """A class that was added.

    Attributes:
        digest: of the new package.
        exemplars: how many there were.
        modalities: those that an exemplar has.
        recognised: share of held-out records of known classes that got their class when it was
            added in the same way; ``nan`` if there were none.
        lost: share of the other classes' records that got it then.
        answered: share of the exemplars that the new model gives the class to; None without any.
    """

    digest: str
    exemplars: int
    modalities: tuple[str, ...]
    recognised: float
    lost: float
    answered: float | None


def add_class(
    package: Path, name: str, records: Sequence[Record], out: Path, *, with_name: bool = False
) -> Added:
    """Write a package that also knows a new class, from exemplars of it.

    Nothing is trained: the class gets a column in the committee, and the logits of all others stay
    as they are. Calibration and figures are those of the package, and the index holds its records
    with the answers that it gave.

    Args:
        package: the model, checked against its list.
        name: of the new class.
        records: exemplars, each with any non-empty subset of the modalities.
        out: the folder to write; it must not exist.
        with_name: whether what the name says counts beside the exemplars, in views that read it.

    Raises:
        UserError: the class is known already, the model has no classifier, or it keeps no records
            to compare with; an exemplar breaks a limit; or no view reads names.
    """
    model, classifier = _loaded(package)
    reference, several = _kept(model, name)
    places = [f"exemplar {i + 1}" for i in range(len(records))]
    arrays, present = classifier.encode(records, places)
    rows = light_rows(model, arrays, present)
    means = named.means(model, classifier.modalities, reference, name) if with_name else {}
    found = fit(
        reference,
        model.columns,
        rows,
        present,
        several=several,
        expected={view: each[:-1] for view, each in means.items()} if with_name else None,
        told={view: each[-1] for view, each in means.items()} if with_name else None,
    )
    wide, known = _wide(model, name, found, reference, several)
    logits = infer(wide, arrays, present, each=False).logits
    wide.reference = _joined(reference, wide, name, rows, present, logits, found, known)
    source = f"{len(records):,} exemplars{' and its name' if with_name else ''}"
    digest = _written(package, wide, name, found, source, out)
    at = wide.classes.index(name)
    decided = wide.target.decide(wide.target.probabilities(logits))
    given = decided[:, at] == 1 if several else decided == at
    return Added(
        digest=digest,
        exemplars=len(records),
        modalities=tuple(n for i, n in enumerate(model.names) if present[:, i].any()),
        recognised=found.recognised,
        lost=found.lost,
        answered=float(np.mean(given)),
    )


def add_class_by_name(package: Path, name: str, out: Path) -> Added:
    """Write a package that also knows a new class, from its name alone.

    As ``add_class``, with what the name says of the views that read names in place of exemplars.

    Args:
        package: the model, checked against its list.
        name: of the new class, in words that the encoder knows.
        out: the folder to write; it must not exist.

    Raises:
        UserError: as for ``add_class``, or no view reads names.
    """
    model, classifier = _loaded(package)
    reference, several = _kept(model, name)
    told = named.means(model, classifier.modalities, reference, name)
    present = np.zeros((1, len(model.names)), np.bool_)
    present[0, [model.columns[view] for view in told]] = True
    found = fit(
        reference,
        {view: model.columns[view] for view in told},
        {view: means[-1:] for view, means in told.items()},
        present,
        several=several,
        expected={view: means[:-1] for view, means in told.items()},
    )
    wide, known = _wide(model, name, found, reference, several)
    rows = {view: rows[:0] for view, rows in reference.views.items()}
    nothing = np.zeros((0, len(wide.classes)), np.float32)
    wide.reference = _joined(reference, wide, name, rows, present[:0], nothing, found, known)
    return Added(
        digest=_written(package, wide, name, found, "its name alone", out),
        exemplars=0,
        modalities=tuple(n for i, n in enumerate(model.names) if present[0, i]),
        recognised=found.recognised,
        lost=found.lost,
        answered=None,
    )


def _loaded(package: Path) -> tuple[Model, Classifier]:
    """The model in torch, which can be changed, and what encodes records for it."""
    model = storage.load(package)
    return model, Classifier(package, TorchRuntime(model, Chosen(name="torch")))


def _kept(model: Model, name: str) -> tuple[Reference, bool]:
    """The records that a model keeps, and whether a record has a set of classes.

    Raises:
        UserError: the class cannot be added to this model.
    """
    if model.target.activation is None:
        raise UserError(NO_CLASSIFIER)
    check_name(name, model.classes)
    if model.reference is None:
        raise UserError(
            "this model keeps no training records to compare a new class with; `concord run CONFIG`"
            " registers a version that does"
        )
    return model.reference, model.target.activation == "sigmoid"


def _wide(
    model: Model, name: str, found: Found, reference: Reference, several: bool
) -> tuple[Model, list[int]]:
    """The model with the class, and the classes whose mean logit is the new one's."""
    known = [] if several else known_classes(reference, several=several).tolist()
    columns = {view: (each.weight, each.bias) for view, each in found.columns.items()}
    return widened(model, name, columns, known), known


def _written(package: Path, wide: Model, name: str, found: Found, source: str, out: Path) -> str:
    """Write the new package; returns its digest."""
    shutil.copytree(package, out)
    storage.save(wide, out)
    export.write(wide, out)
    write_distances(wide.columns, out)
    _tell(out, wide, name, found, source)
    write_json(out / FILES, {"files": digests(out)})
    return digest_folder(out)


def check_name(name: str, classes: Sequence[str]) -> None:
    """Refuse a name that is blank, or that a class has.

    Raises:
        UserError: it is one of these.
    """
    if not name.strip() or name != name.strip():
        raise UserError(f"got the class name {name!r}, wanted one without blanks around it")
    if name in classes:
        raise UserError(
            f"{name!r} is a class of this model already; more exemplars of it are records to learn"
            " from: add them to the data set and run again"
        )


def _joined(
    before: Reference,
    wide: Model,
    name: str,
    exemplars: dict[str, Rows],
    present: NDArray[np.bool_],
    logits: NDArray[np.float32],
    found: Found,
    known: Sequence[int],
) -> Reference:
    """The records that the model keeps, and the exemplars among them.

    The logits of the exemplars are of a model that has seen them.
    """
    at, width = wide.classes.index(name), len(wide.classes)
    others = np.delete(np.arange(width), at)
    old = before.logits.astype(np.float64)
    mean = old[:, list(known)].mean(axis=1) if len(known) else np.zeros(len(before))
    for view, each in found.columns.items():
        mean += before.present[:, wide.columns[view]] * (
            before.views[view] @ each.weight + each.bias
        )
    wider = np.empty((len(before), width), np.float32)
    wider[:, others], wider[:, at] = old, mean
    wider[~before.judged] = np.nan
    return Reference(
        views={view: joined([rows, exemplars[view]]) for view, rows in before.views.items()},
        present=np.concatenate([before.present, present]),
        labels=_labels(before.labels, others, at, len(present)),
        logits=np.concatenate([wider, logits]),
    )


def _labels(
    before: NDArray[np.integer], others: NDArray[np.int64], at: int, exemplars: int
) -> NDArray[np.integer]:
    """Coded labels with the new class in its place; of sets, nobody knows who else has it."""
    if before.ndim == 1:
        codes = np.where(before >= 0, others[np.maximum(before, 0)], -1)
        return np.concatenate([codes, np.full(exemplars, at)]).astype(before.dtype)
    sets = np.full((len(before) + exemplars, len(others) + 1), -1, before.dtype)
    sets[: len(before), others] = before
    sets[len(before) :, at] = 1
    return sets


def _tell(out: Path, wide: Model, name: str, found: Found, source: str) -> None:
    """Write the new class into the card, and its threshold where classes have one."""
    if (out / THRESHOLDS).is_file():
        known = read_json(out / THRESHOLDS)
        order = {each: known.get(each, DEFAULT_THRESHOLD) for each in wide.classes}
        write_json(out / THRESHOLDS, order)
    said = (
        f"\n## A class added without training\n\n`{name}` was added from {source}."
        f" Known classes that were added in the same way got {found.recognised:.0%} of their"
        f" held-out records, and {found.lost:.1%} of the others' records. All other figures are"
        " those of the previous model.\n"
    )
    card = (out / CARD).read_text(encoding="utf-8")
    write_atomically(out / CARD, f"{card.rstrip()}\n{said}")
