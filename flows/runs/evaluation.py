"""Measures a registered version on the test records of today's data set."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from components.config import run as configuration
from components.config.home import find, writable
from components.core.errors import UserError
from components.parts.contracts import Target
from components.registry.promotion import Promotion
from flows.display import Display, console
from flows.runs import records as runs
from flows.steps import table
from flows.steps.step import Job, needed, walk


def measure(
    path: Path, *, version: str, data: str | None, looks: Collection[str] = ()
) -> dict[str, Any]:
    """The figures of a version on today's labelled test records.

    Where nothing is predicted: recall@10, the mean over all directions of search.

    Args:
        path: a run's configuration: it names model and data.
        version: a number, ``champion`` or ``challenger``.
        data: path of the data set, if not the configuration's.
        looks: ``leaks``, ``reliance`` and ``stress``, each under its name in the figures.

    Raises:
        UserError: the version does not exist, the data set has no labelled test record, or it
            cannot be looked at so.
    """
    import numpy as np

    from components.evaluation import standing
    from components.evaluation.comparison import figure
    from components.features.store import Features
    from components.model import storage

    config, home = configuration.load(path, data), writable(find())
    promotion = Promotion(home, config.name, console.print)
    chosen = promotion.versions().named(version)
    package = promotion.package_of(chosen)
    options = {name: spec.choice for name, spec in storage.load(package).specs.items()}
    with runs.exclusive(home, wait=True, say=console.print), Display() as display:
        asked = config.model_copy(update={"modalities": options})
        job = Job.opened(asked, base=path.resolve().parent, home=home)
        before = needed(table.steps_for(asked, job.manifest, job.base), "encode")
        accepted, *_, encoded = walk(before, replace(job, progress=display.show))
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
        if looks:
            raise UserError(
                f"--{min(looks)} needs labels: the target of {config.data.uri} is `none`"
            )
        hits = np.array([hit for hit in found if hit is not None])
        figures = {"recall@10": figure(hits, hits, "recall@10")}
        return {"model": config.name, "version": chosen.version, "n": len(rows), **figures}
    if features.labels.ndim == 1:
        given = target.encode(found)
    else:
        blank = np.zeros(target.width, dtype=np.float32)
        given = np.array([blank if p is None else p for p in found])
    figures = target.metrics(features.labels[rows], given)
    extra: dict[str, Any] = {}
    with Display() as display:
        if looks:
            from components.evaluation import looks as looking
        if "leaks" in looks:
            extra["leaks"] = looking.leaks_of(
                accepted.ref.path,
                features,
                config.data.uri,
                rows,
                given,
                target,
                base=job.base,
                progress=display.show,
            )
        if "reliance" in looks:
            extra["reliance"] = looking.reliance_of(package, features, rows)
        if "stress" in looks:
            answer = _answers_of(package, target)
            extra["stress"] = looking.stress_of(
                accepted.ref.path, features, config.data.uri, rows, answer, target
            )
    return {"model": config.name, "version": chosen.version, "n": len(rows), **figures, **extra}


def _answers_of(package: Path, target: Target) -> Callable[[Sequence[Any]], Any]:
    """A version's coded answers to raw records, as today's target codes them."""
    import numpy as np

    from components.prediction.classifier import Classifier

    classifier = Classifier(package)

    def answer(records: Sequence[Any]) -> Any:  # noqa: ANN401
        said = classifier.predict(records)
        if said and said[0].label is not None:
            return target.encode([one.label for one in said])
        return np.array([[one.probabilities.get(c, 0.0) for c in target.classes] for one in said])

    return answer
