"""A user's own part of any family works from the first step to a relocated package."""

import shutil
from types import SimpleNamespace

import pytest

from components.config import run as configuration
from components.config.check_parts import check_parts
from components.config.home import Home
from components.core.errors import UserError
from components.core.files import read_json, write_json
from components.model import storage
from components.model.description import DESCRIPTION
from components.prediction.predictor import Predictor
from flows.steps import table
from flows.steps.step import Job, needed, walk
from serving import bento
from tests import synthetic
from tests.behaviour import own_parts


def steps(path, last=None):
    """Run every step of the table, or those that one needs, bare; results by name."""
    config = configuration.load(path)
    job = Job.opened(config, base=path.parent, home=Home(root=path.parent.parent / "home"))
    kinds = {name: m.kind for name, m in job.manifest.modalities.items()}
    check_parts(config, path, kinds)
    rows = table.steps_for(config, job.manifest, job.base)
    rows = needed(rows, last) if last else rows
    return {result.name: result for result in walk(rows, job)}


def answers(package):
    records = [synthetic.records().raw(row) for row in range(30)]
    predictor = Predictor.load(package)
    found = predictor.predict([record for record in records if record])
    hits = predictor.search({"text": "round red"}, k=3)
    return [a.probabilities for a in found], [(h.id, h.score) for h in hits]


@pytest.fixture(scope="module")
def no_bento():
    """A folder stands for the Bento; ``tests/flows/test_own_parts.py`` builds a real one."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(bento, "build", lambda _, out: (out / "bento").mkdir())
        yield


@pytest.fixture(scope="module", params=own_parts.PARTS)
def ran(request, no_bento, tmp_path_factory):  # noqa: ARG001
    """A family, a configuration with an own part of it, its results and the package's answers."""
    path = own_parts.write(tmp_path_factory.mktemp("own"), [request.param])
    results = steps(path)
    package = results["package"].ref.path / "package"
    return SimpleNamespace(
        family=request.param, path=path, names=list(results), package=package, here=answers(package)
    )


def test_an_edit_runs_exactly_the_steps_that_depend_on_the_file(ran):
    assert {result.status for result in steps(ran.path).values()} == {"skipped"}
    own_parts.edit(ran.path, ran.family)
    ran_again = [name for name, result in steps(ran.path).items() if result.status == "ran"]
    assert ran_again == ran.names[ran.names.index(own_parts.PARTS[ran.family].first) :]


def test_a_package_answers_the_same_elsewhere_without_the_users_files(ran, tmp_path):
    package = tmp_path / "elsewhere"
    shutil.copytree(ran.package, package)
    for folder in ("conf", "home", "data"):
        shutil.rmtree(ran.path.parent.parent / folder)
    assert answers(package) == ran.here
    assert bool(list(package.rglob(f"{ran.family}.py"))) == own_parts.PARTS[ran.family].packaged


@pytest.mark.parametrize("place", ["absolute", "above"])
def test_a_model_folder_never_runs_a_file_outside_it(tmp_path, place):
    path = own_parts.write(tmp_path, ["fusion"])
    model = tmp_path / "model"
    shutil.copytree(steps(path, "train")["train"].ref.path / "model", model)
    marker = tmp_path / "executed"
    outside = tmp_path / "outside.py"
    outside.write_text(f"open({str(marker)!r}, 'w')\n{own_parts.text('fusion')}")
    description = read_json(model / DESCRIPTION)
    name = str(outside) if place == "absolute" else "../../outside.py"
    description["model"]["fusion"]["name"] = name
    write_json(model / DESCRIPTION, description)
    with pytest.raises(UserError, match="leaves the folder"):
        storage.load(model)
    assert not marker.exists()


@pytest.mark.parametrize("family", own_parts.PARTS)
def test_a_mistake_in_an_own_file_is_reported_before_anything_runs_with_its_line(tmp_path, family):
    path = own_parts.write(tmp_path, [family])
    (path.parent / "mine" / f"{family}.py").write_text("x = 1\ny = 1 / 0\n")
    with pytest.raises(UserError, match=rf"mine/{family}\.py:2: .*division by zero") as caught:
        steps(path)
    assert caught.value.exit_code == 2
    assert not (tmp_path / "home" / "steps").exists()
