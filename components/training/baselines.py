"""The models that the kept one is compared with."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from components.config.run import Part
from components.core.files import write_json
from components.features.store import Features
from components.model.description import Mix
from components.training import taught
from components.training.data import training_data
from components.training.light import light_views
from components.training.pseudo_label import COMMITTEE, REHEARSAL, read_pseudo, rounds
from components.training.rehearsal import hidden_rows, without_labels
from components.training.selection import held_out_by_folds, of_model
from components.training.student import seen_by_student
from components.training.teaching import teach_committee, untrained, write
from components.training.trainer import Trainer


def baselines(trainer: Trainer, *, pseudo: Path | None, trained: Path | None, out: Path) -> None:
    """Fit what the kept model is compared with.

    They are one model for each modality alone (a committee, with rounds where the run has them; a
    network where no view of the modality is fixed), the student that learns from visible labels
    alone, and one with plain concatenation where another fusion is chosen. Networks of several
    modalities read the views that the student reads. Writes a model folder for each and
    ``baselines.json``, with the primary figure on all records that were held out.

    Args:
        trainer: fits the networks.
        pseudo: output of pseudo-label.
        trained: output of train; without it a network reads all views.
        out: an empty folder.
    """
    features = trainer.features
    seen = seen_by_student(features, trained) if trained else features
    labels = read_pseudo(pseudo) if pseudo else None
    found: dict[str, dict[str, object]] = {}
    for name in features.names if len(features.names) > 1 and features.target.width else []:
        found[f"only-{name}"] = _alone(trainer, name, pseudo, out / f"only-{name}")
    if labels is not None:
        trainer.model("supervised", pseudo=None, features=seen, out=out / "supervised", ssl=False)
        found["supervised"] = {}
    # Without classes the fusion is a mean, whatever it is called.
    several = len(features.names) > 1 and features.target.width > 0
    if trainer.spec.model.fusion.name != "concat" and several:
        fusion = Part(name="concat")
        trainer.model("concat", pseudo=labels, features=seen, fusion=fusion, out=out / "concat")
        found["concat"] = {}
    write_json(out / "baselines.json", {"models": found})


def _alone(trainer: Trainer, name: str, pseudo: Path | None, out: Path) -> dict[str, object]:
    """The model of one modality, and its figure on held-out records."""
    features, spec = trainer.features, trainer.spec
    labels = read_pseudo(pseudo) if pseudo else None
    model = untrained(features, spec.model, spec.training, trainer.base, [name])
    found = teach_committee(model, features, spec.training.seed)
    if isinstance(found, str):
        if not trainer.trainable(name, labels):
            return {"skipped": f"no training record has both a target and {name}"}
        trainer.model(f"only-{name}", pseudo=labels, alone=name, out=out)
        return _alone_without(trainer, name, pseudo, out.with_name(f"{REHEARSAL}-{name}"))
    if labels is not None:
        done = rounds(model, features, found)
        found = found if isinstance(done, str) else done.taught
    write(model, found, out)
    rows = found.labelled.rows
    views = light_views(model, features, found.made, rows)
    labelled = features.rows("train", labelled=True)
    return _figure(features, labelled, rows, held_out_by_folds(found, views)([name]))


def _alone_without(
    trainer: Trainer, name: str, pseudo: Path | None, out: Path
) -> dict[str, object]:
    """The figure of a network of one modality, fitted again without the first fold, on that."""
    features = trainer.features
    teachers = taught.load(pseudo / COMMITTEE) if pseudo else None
    seed = trainer.spec.training.seed
    hidden = hidden_rows(features, teachers.labelled if teachers else None, seed)
    less = without_labels(features, hidden)
    labels = read_pseudo(pseudo, REHEARSAL) if pseudo else None
    rows = hidden[features.present[hidden, features.names.index(name)]]
    if not len(rows) or not len(training_data(less, names=(name,), pseudo=labels).supervised):
        return {}
    model = trainer.model(
        out.name, pseudo=labels, features=less, alone=name, out=out, weights=False
    )
    return _figure(features, hidden, rows, of_model(model, Mix(), features, rows)([name]))


def _figure(
    features: Features,
    rows: NDArray[np.int64],
    having: NDArray[np.int64],
    logits: NDArray[np.floating],
) -> dict[str, object]:
    """The primary figure of a modality alone on held-out records.

    It counts as the gate does: a record without the modality has the baseline's answer. Else one
    that few records have would often look best.

    Args:
        features: the data set.
        rows: the held-out records, sorted.
        having: those of them that have the modality, sorted.
        logits: of these.
    """
    target = features.target
    visible = features.labels[features.rows("train", labelled=True)]
    answers = np.array(target.baseline(visible, len(rows)))
    answers[np.isin(rows, having)] = target.answers(target.probabilities(logits))
    return {"held_out": target.metrics(features.labels[rows], answers)[str(target.primary)]}
