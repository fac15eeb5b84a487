"""Steps by formula are the batches that the training data give."""

import pytest

from components.plan.work import Outcome, Training, trainings
from components.training.data import training_data


def trained(real, name, pseudo, *, all_of_them):
    names = (
        (name.removeprefix("only-"),) if name.startswith("only-") else tuple(real.features.names)
    )
    return training_data(real.features, names=names, pseudo=pseudo, unlabelled=all_of_them)


@pytest.mark.parametrize("batch_size", [7, 32, 10_000])
def test_steps_of_teach_are_batches_of_the_real_order(real, batch_size):
    training = real.config.training.model_copy(update={"batch_size": batch_size})
    config = real.config.model_copy(update={"training": training})
    (teach,) = trainings("teach", config, real.surveyed, real.surveyed.records, real.base)
    order = trained(real, "full", None, all_of_them=False).batches(batch_size, 0, 0)
    assert teach.rows == sum(map(len, order))
    assert teach.steps_per_epoch == len(order)
    assert teach.steps == config.training.teacher_epochs * len(order)
    assert min(map(len, order)) <= teach.batch_rows <= max(map(len, order))


@pytest.mark.parametrize("accepted", [0.0, 1.0])
def test_steps_of_student_and_baselines_are_batches_of_the_real_order(real, accepted):
    features, size = real.features, real.config.training.batch_size
    pool = features.rows("train", labelled=False)
    pseudo = {features.ids[row]: (features.classes[0], 0.9) for row in pool} if accepted else {}
    found, outcome = {}, Outcome(accepted=accepted)
    for stage in ("train", "baselines"):
        found |= {
            t.model: t
            for t in trainings(
                stage, real.config, real.surveyed, len(features.ids), real.base, outcome
            )
        }
    assert sorted(found) == ["concat", "full", "only-facts", "only-image", "only-text"]
    for name, training in found.items():
        alone = name.startswith("only-")
        order = trained(real, name, pseudo, all_of_them=not alone).batches(size, 0, 0)
        assert (training.rows, training.steps_per_epoch) == (sum(map(len, order)), len(order)), name
        assert training.epochs == real.config.training.epochs


def test_without_a_labeller_there_is_no_student_and_baselines_follow_the_teacher(real):
    config = real.config.model_copy(update={"labeller": None})
    assert trainings("train", config, real.surveyed, 240, real.base) == []
    assert {t.epochs for t in trainings("baselines", config, real.surveyed, 240, real.base)} == {
        config.training.teacher_epochs
    }


def test_a_batch_is_never_empty():
    assert Training(model="full", rows=0, epochs=3, batch_size=8).steps == 3


def test_where_the_teacher_is_kept_baselines_follow_it(real):
    kept = trainings(
        "baselines", real.config, real.surveyed, 240, real.base, Outcome(student=False)
    )
    order = trained(real, "only-text", None, all_of_them=False).batches(
        real.config.training.batch_size, 0, 0
    )
    text = next(t for t in kept if t.model == "only-text")
    assert (text.epochs, text.steps_per_epoch) == (real.config.training.teacher_epochs, len(order))
