"""A run with a composer, from the data set to a package that is searched."""

import json
from dataclasses import replace

import pytest

from components.config import run as configuration
from components.config.home import Home
from components.evaluation.metrics import Metrics
from components.model.composer import COMPOSER
from components.prediction.asking import Ask, Example
from components.prediction.predictor import Predictor
from components.training.judged_composer import Judged
from components.training.triplets import Triplets
from flows.commands.run import screen
from flows.runs.result import RunResult
from flows.steps import table
from flows.steps.step import Job, walk
from tests import tiny

CHANGES = {"epochs: 8": "epochs: 2"}
LINE = "composer: {reference: image, text: text}\n"


def walked(folder, data):
    path = tiny.config(folder, data, CHANGES)
    path.write_text(path.read_text() + LINE)
    job = Job.opened(configuration.load(path), base=folder, home=Home(root=folder / "home"))
    said = []
    job = replace(job, say=said.append)
    rows = table.steps_for(job.config, job.manifest, job.base)
    return {result.name: result.ref.path for result in walk(rows, job)}, said


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """Whatever was judged: the composer is kept."""
    folder = tmp_path_factory.mktemp("composed")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Judged, "kept", property(lambda _: True))
        return walked(folder, tiny.make(folder / "data"))


def test_the_report_has_both_figures(run):
    outputs, said = run
    told = json.loads((outputs["compose"] / "composer.json").read_text())
    metrics = Metrics.model_validate_json((outputs["evaluate"] / "metrics.json").read_bytes())
    triplets = Triplets.load(outputs["triplets"])
    assert metrics.composer.model_dump() == told
    assert (told["learned"], told["judged"]) == (
        (~triplets.held_out).sum(), triplets.held_out.sum(),
    )  # fmt: skip
    report = (outputs["evaluate"] / "report.html").read_text()
    card = (outputs["package"] / "package" / "card.md").read_text()
    assert told["judged"] > 0
    for figure in (told["composer"], told["sum"]):
        assert f"{figure:.1%}" in report
        assert f"{figure:.1%}" in card
    assert any(words.startswith("composer: ") for words in said)


def test_the_outcome_of_a_run_has_both_figures(run):
    metrics = Metrics.model_validate_json((run[0]["evaluate"] / "metrics.json").read_bytes())
    rest = dict.fromkeys(RunResult.model_fields) | {"reasons": [], "steps": [], "engine_seconds": 0}
    shown = screen(RunResult.model_construct(**(rest | {"metrics": metrics})))
    one = metrics.composer
    assert f"recall@10, composer         {one.composer:.3f}   (plain sum {one.sum:.3f}" in shown


def test_the_package_lists_it_and_a_search_uses_it(run):
    package = run[0]["package"] / "package"
    assert COMPOSER in json.loads((package / "files.json").read_text())["files"]
    predictor = Predictor.load(package)
    of = {name: predictor.collection.vectors(name, predictor.collection.packaged.ids)
          for name in ("image", "text")}  # fmt: skip
    like = [Example(vectors={name: next(iter(found.values()))}) for name, found in of.items()]
    page = predictor.searcher.search(Ask(like=like, target="image", explain=True))
    assert page.composed == "composer"
