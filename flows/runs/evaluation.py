"""Measures a registered version on the test records of today's data set."""

from dataclasses import replace
from pathlib import Path
from typing import Any

from components.config import run as configuration
from components.config.home import find, writable
from components.core.errors import UserError
from components.registry.promotion import Promotion
from flows.display import Display, console
from flows.runs import records as runs
from flows.steps import table
from flows.steps.step import Job, needed, walk


def measure(path: Path, *, version: str, data: str | None) -> dict[str, Any]:
    """The figures of a version on today's labelled test records.

    Where nothing is predicted: recall@10, the mean over all directions of search.

    Args:
        path: a run's configuration: it names model and data.
        version: a number, ``champion`` or ``challenger``.
        data: path of the data set, if not the configuration's.

    Raises:
        UserError: the version does not exist, or the data set has no labelled test record.
    """
    import numpy as np

    from components.evaluation import standing
    from components.evaluation.comparison import figure
    from components.features.store import Features
    from components.model import network as models

    config, home = configuration.load(path, data), writable(find())
    promotion = Promotion(home, config.name, console.print)
    chosen = promotion.versions().named(version)
    package = promotion.package_of(chosen)
    options = {name: spec.choice for name, spec in models.load(package).specs.items()}
    with runs.exclusive(home, wait=True, say=console.print), Display() as display:
        asked = config.model_copy(update={"modalities": options})
        job = Job.opened(asked, base=path.resolve().parent, home=home)
        before = needed(table.steps_for(asked, job.manifest, job.base), "encode")
        *_, encoded = walk(before, replace(job, progress=display.show))
        features = Features.load(encoded.ref.path)
        answers = standing.answers(package, features)
        target = standing.target_of(package, features)
    rows = features.rows("test", labelled=True if target.width else None)
    if not len(rows):
        raise UserError(
            f"{config.data.uri} has no labelled test record, so nothing can be measured"
        )
    found = [answers.get(features.ids[row]) for row in rows]
    if not target.width:
        hits = np.array([hit for hit in found if hit is not None])
        figures = {"recall@10": figure(hits, hits, "recall@10")}
    elif features.labels.ndim == 1:
        figures = target.metrics(features.labels[rows], target.encode(found))
    else:
        blank = np.zeros(target.width, dtype=np.float32)
        given = np.array([blank if p is None else p for p in found])
        figures = target.metrics(features.labels[rows], given)
    return {"model": config.name, "version": chosen.version, "n": len(rows), **figures}
