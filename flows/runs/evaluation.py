"""Measures a registered version on the test records of today's data set."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from components.config import run as configuration
from components.config.home import Home, find, writable
from components.core.errors import UserError
from components.parts.contracts import Target
from components.registry.promotion import Promotion
from flows.display import Display, console
from flows.runs import records as runs
from flows.steps import table
from flows.steps.step import Job, needed, walk

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from components.features.store import Features


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
    config, home = configuration.load(path, data), writable(find())
    promotion = Promotion(home, config.name, console.print)
    version_now = promotion.versions().named(version)
    package = promotion.package_of(version_now)
    today = _Today.of(config, path.resolve().parent, home, package)
    figures = today.of_classes(looks) if today.target.width else today.of_search(looks)
    measured = {"model": config.name, "version": version_now.version, "n": len(today.rows)}
    return measured | figures


@dataclass(frozen=True, kw_only=True)
class _Today:
    """A version and today's labelled test records, which it has answered.

    Attributes:
        uri: where the data set is.
        base: folder that a user's own parts are relative to.
        package: the version.
        accepted: output of validate.
        features: the encoded records.
        target: measures the answers.
        rows: the records, of ``features``.
        answers: of the version to them; None where it has none.
    """

    uri: str
    base: Path
    package: Path
    accepted: Path
    features: "Features"
    target: Target
    rows: "NDArray[np.int64]"
    answers: list[Any]

    @classmethod
    def of(cls, config: configuration.RunConfig, base: Path, home: Home, package: Path) -> Self:
        """Validate and encode the data set, as the version reads it, and ask the version.

        Raises:
            UserError: the data set has no labelled test record.
        """
        from components.evaluation import standing
        from components.features.store import Features
        from components.model import storage

        options = {name: spec.choice for name, spec in storage.load(package).specs.items()}
        with runs.exclusive(home, wait=True, say=console.print), Display() as display:
            asked = config.model_copy(update={"modalities": options})
            job = Job.opened(asked, base=base, home=home)
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
        return cls(
            uri=config.data.uri,
            base=job.base,
            package=package,
            accepted=accepted.ref.path,
            features=features,
            target=target,
            rows=rows,
            answers=[answers.get(features.ids[row]) for row in rows],
        )

    def of_search(self, looks: Collection[str]) -> dict[str, Any]:
        """The figure of a model that predicts nothing.

        Raises:
            UserError: looks were asked for, all of which need labels.
        """
        import numpy as np

        from components.evaluation.comparison import figure

        if looks:
            raise UserError(f"--{min(looks)} needs labels: the target of {self.uri} is `none`")
        hits = np.array([hit for hit in self.answers if hit is not None])
        return {"recall@10": figure(hits, hits, "recall@10")}

    def of_classes(self, looks: Collection[str]) -> dict[str, Any]:
        """The figures of the answers, and each look under its name.

        Raises:
            UserError: the data set cannot be looked at so.
        """
        given = self._coded()
        figures: dict[str, Any] = dict(self.target.metrics(self.features.labels[self.rows], given))
        if not looks:
            return figures
        from components.evaluation import looks as looking

        records = (self.accepted, self.features, self.uri, self.rows)
        with Display() as display:
            if "leaks" in looks:
                figures["leaks"] = looking.leaks_of(
                    *records, given, self.target, base=self.base, progress=display.show
                )
            if "reliance" in looks:
                figures["reliance"] = looking.reliance_of(self.package, self.features, self.rows)
            if "stress" in looks:
                answer = _answers_of(self.package, self.target)
                figures["stress"] = looking.stress_of(*records, answer, self.target)
        return figures

    def _coded(self) -> "NDArray[Any]":
        """The answers as the target codes them ``(t, …)``; zeros where there is none."""
        import numpy as np

        if self.features.labels.ndim == 1:
            return self.target.encode(self.answers)
        blank = np.zeros(self.target.width, dtype=np.float32)
        return np.array([blank if answer is None else answer for answer in self.answers])


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
