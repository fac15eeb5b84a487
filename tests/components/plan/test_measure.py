"""What two samples tell of a run, on the test's own stages."""

import json
from itertools import count

import pytest

from components.config import run as configuration
from components.data.manifest import load_manifest
from components.plan import sample
from components.plan.measure import measure
from components.plan.walk import Stage
from tests import tiny


def fitting(*models):
    """A stage that fits networks of these names."""

    def work(_outputs, _home, out, progress):
        for name in models:
            progress(name, 1, 1)
            (out / name).mkdir()
            history = {"steps": 1, "records": 60, "epochs": [{}, {}], "name": name}
            (out / name / "history.json").write_text(json.dumps(history))

    return Stage(name="train", inputs=("data",), training=True, divided=False, work=work)


@pytest.mark.parametrize(
    ("models", "selection", "rehearsals"),
    [
        (("student",), "folds", 1),
        (("student",), "validation", 0),
        (("rehearsal", "student"), "folds", 0),
        (("supervised",), "folds", 0),
    ],
)
def test_a_student_that_had_too_few_labels_rehearses_where_they_suffice(
    tmp_path, models, selection, rehearsals
):
    config = configuration.load(tiny.config(tmp_path, tiny.make(tmp_path / "data")))
    training = config.training.model_copy(update={"selection": selection})
    config = config.model_copy(update={"training": training})
    surveyed = sample.survey(config.data, load_manifest(config.data.uri))
    ticks = count()
    profile = measure(
        config, surveyed, table=lambda _: [fitting(*models)], now=lambda: float(next(ticks))
    )
    (train,) = profile.stages
    later = [fit for fit in train.fits if fit.since]
    assert len(later) == rehearsals
    for fit in later:
        assert (fit.epochs, fit.share) == (train.fits[0].epochs, train.fits[0].share)
        share = surveyed.learnable.sum() / surveyed.seen
        # A fifth of 250 labels is a fold of 50 records.
        assert (fit.since - 1) * share < 250 <= fit.since * share
