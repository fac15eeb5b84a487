"""Measures a registered version on the test records of today's data set."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from components.config import run as configuration
from components.config.home import Home, find, writable
from components.core.errors import UserError
from components.registry import promotion
from components.registry.promotion import Standing
from flows.display import Display, console
from flows.runs import records as runs
from flows.steps import table
from flows.steps.step import Job, needed, walk


def measure(path: Path, *, version: str, data: str | None) -> dict[str, Any]:
    """Accuracy and macro-F1 of a version on today's labelled test records.

    Args:
        path: a run's configuration: it names model and data.
        version: a number, ``champion`` or ``challenger``.
        data: another place of the data set.

    Raises:
        UserError: the version does not exist, or the data set has no labelled test record.
    """
    from components.evaluation import standing
    from components.evaluation.classification import accuracy, macro_f1
    from components.features.store import Features
    from components.model import network as models

    config, home = configuration.load(path, data), writable(find())
    chosen = registered(home, config.name, version)
    package = promotion.package_of(home, chosen)
    options = {name: spec.options for name, spec in models.load(package).specs.items()}
    with runs.exclusive(home, wait=True, say=console.print), Display() as display:
        asked = config.model_copy(update={"modalities": options})
        job = Job.opened(asked, base=path.resolve().parent, home=home)
        before = needed(table.steps_for(asked, job.manifest), "encode")
        *_, encoded = walk(before, replace(job, progress=display.show))
        features = Features.load(encoded.ref.path)
        answers = standing.answers(package, features)
    rows = features.rows("test", labelled=True)
    if not len(rows):
        raise UserError(
            f"{config.data.uri} has no labelled test record, so nothing can be measured"
        )
    labels = np.array([features.classes[c] for c in features.labels[rows]])
    predicted = np.array([answers.get(features.ids[row], "") for row in rows])
    numbers = np.unique(np.concatenate([labels, predicted]), return_inverse=True)[1]
    truth, said = numbers[: len(rows)], numbers[len(rows) :]
    return {
        "model": config.name,
        "version": chosen.version,
        "n": len(rows),
        "accuracy": accuracy(truth, said),
        "macro_f1": macro_f1(truth, said),
    }


def registered(home: Home, name: str, version: str) -> Standing:
    """A registered version of a model.

    Args:
        home: the state folder.
        name: of the model.
        version: a number, ``champion`` or ``challenger``.

    Raises:
        UserError: the version does not exist.
    """
    known = {str(v.version): v for v in promotion.versions(home, name)}
    if champion := promotion.champion(home, name):
        known["champion"] = champion
    if known:
        known["challenger"] = promotion.versions(home, name)[-1]
    if version not in known:
        if not known:
            raise UserError(f"no version of {name!r} is registered; make one with `concord run`")
        raise UserError(
            f"unknown version {version!r} of {name!r}; there are: {', '.join(sorted(known))}"
        )
    return known[version]
