"""A version is its package, whatever happened to MLflow, to the ledger or to the state folder."""

import shutil
from contextlib import closing
from sqlite3 import connect

import pytest

from components.config.home import find
from components.core.errors import UserError
from components.core.refs import digest_folder
from components.registry.ledger import Ledger
from components.registry.ledger_entry import Entry
from components.registry.mlflow_client import Store
from components.registry.mlflow_runs import record_run
from components.registry.mlflow_store import Registry
from components.registry.promotion import Promotion
from tests.stores import state

pytestmark = [
    # MLflow's own query on SQLAlchemy 2.1.
    pytest.mark.filterwarnings("ignore:.*noload.* loader strategy:DeprecationWarning"),
    # MLflow warns of its own type hints when `mlflow.pyfunc` is imported.
    pytest.mark.filterwarnings("ignore:.*Any type hint is inferred as AnyType:UserWarning"),
]
NOW = "2026-01-02T03:04:05+00:00"
PERSON = {"actor": "ada", "reason": "it is better", "time": NOW}


class Things:
    """The model `things` of a state folder; every package has contents of its own."""

    def __init__(self, home):
        self.said = []
        self.open(home)

    def open(self, home):
        self.home = home
        self.promotion = Promotion(home, "things", self.said.append)
        self.registry = Registry(home)

    def register(self, *contents):
        for content in contents:
            package = self.home.root.parent / f"made-{content}"
            package.mkdir(exist_ok=True)
            (package / "weights.safetensors").write_text(content)
            run = record_run(
                Store(self.home), "things", content, params={}, metrics={}, tags={}, artifacts={}
            )
            version = self.promotion.register(
                package, package_digest=digest_folder(package), run=run,
                modalities={"name": "text"}, time=NOW,
            )  # fmt: skip
        return version

    def content(self, version):
        return (self.promotion.package_of(version) / "weights.safetensors").read_text()

    @property
    def champion(self):
        return self.promotion.champion()

    def alias(self):
        """The content that MLflow itself serves as champion."""
        found = self.registry.champion("things")
        return found and (found.package / "weights.safetensors").read_text()

    def client(self):
        return self.registry.store.client()


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A state folder with versions 1 and 2, of which the first is champion, and their packages."""
    place = tmp_path_factory.mktemp("registry")
    made = Things(state(place / "home"))
    made.register("one", "two")
    made.promotion.promote(1, **PERSON)
    return place


@pytest.fixture
def things(folder, tmp_path):
    """A copy of it."""
    shutil.copytree(folder, tmp_path, dirs_exist_ok=True)
    return Things(find(tmp_path / "home"))


def new_database(things):
    """An empty one; the home moves too, since this process holds the old file open."""
    fresh = state(things.home.root.with_name("fresh")).root
    shutil.rmtree(things.home.root / "mlflow")
    for entry in things.home.root.iterdir():
        shutil.move(entry, fresh)
    things.open(find(fresh))


def deleted_model(things):
    things.client().delete_registered_model("things")


def deleted_experiment(things):
    client = things.client()
    client.delete_experiment(client.get_experiment_by_name("things").experiment_id)


def deleted_runs(things):
    client = things.client()
    experiment = client.get_experiment_by_name("things").experiment_id
    for run in client.search_runs([experiment]):
        client.delete_run(run.info.run_id)


def deleted_versions(things):
    for number in ("2", "1"):
        things.client().delete_model_version("things", number)


def deleted_logged_models(things):
    for version in things.registry.versions("things"):
        things.client().delete_logged_model(version.logged)


def deleted_artifacts(things):
    shutil.rmtree(things.registry.store.artifacts)


def deleted_alias(things):
    things.client().delete_registered_model_alias("things", "champion")


def moved_alias(things):
    things.client().set_registered_model_alias("things", "champion", "2")


LOSSES = [
    new_database, deleted_model, deleted_experiment, deleted_runs, deleted_versions,
    deleted_logged_models, deleted_artifacts, deleted_alias, moved_alias,
]  # fmt: skip


@pytest.mark.parametrize("lose", LOSSES)
def test_whatever_mlflow_lost_numbers_stay_apart_and_the_champion_stays(things, lose):
    lose(things)
    three = things.register("three")
    assert three.version not in (1, 2)
    assert things.champion.version == 1
    assert things.content(things.champion) == "one"
    assert things.content(three) == "three"
    things.promotion.reconcile()
    assert things.alias() == "one"
    numbers = [v.version for v in things.promotion.versions().all()]
    assert len(set(numbers)) == 3
    things.promotion.promote(three.version, **PERSON)
    assert things.alias() == "three"
    assert things.content(things.promotion.rollback(**PERSON)) == "one"
    assert things.alias() == "one"


def test_a_lost_database_is_told_and_gets_the_same_numbers_again(things):
    new_database(things)
    assert things.register("three").version == 3
    assert any("1, 2" in words and "ledger" in words for words in things.said)
    wanted = {v.version: v.package_digest for v in things.promotion.versions().all()}
    assert {v.version: v.package_digest for v in things.registry.versions("things")} == wanted


def test_the_note_of_the_alias_does_not_hide_a_lost_database(things):
    assert not things.promotion.reconcile()
    new_database(things)
    assert things.promotion.reconcile()
    assert things.alias() == "one"
    assert not things.promotion.reconcile()


def test_an_alias_moved_by_hand_is_told(things):
    things.promotion.reconcile()
    moved_alias(things)
    assert things.promotion.reconcile()
    assert any("version 2" in words and "follows the ledger" in words for words in things.said)


def test_a_lost_ledger_begins_with_the_champion_that_mlflow_knows(things):
    things.home.ledger.unlink()
    three = things.register("three")
    assert three.version == 3
    assert things.content(things.champion) == "one"
    assert any("no entry for 'things'" in words for words in things.said)
    first = Ledger(things.home.ledger).entries("things")[0]
    assert first.actor == "recovered from MLflow"


def test_a_lost_ledger_does_not_take_up_a_champion_whose_files_were_changed(things):
    things.home.ledger.unlink()
    shutil.rmtree(things.home.packages)
    for file in things.registry.store.artifacts.rglob("weights.safetensors"):
        file.write_text("changed")
    things.register("three")
    assert things.champion is None
    assert any("is not what was registered" in words for words in things.said)


@pytest.mark.parametrize("there", ["MLflow", "step", "nowhere"])
def test_a_package_whose_folder_is_gone_is_found_elsewhere_or_the_way_out_is_told(things, there):
    champion = things.champion
    shutil.rmtree(champion.package)
    if there != "MLflow":
        shutil.rmtree(things.registry.store.artifacts)
    if there == "step":
        kept = things.home.steps / "package" / "key" / "package"
        shutil.copytree(things.home.root.parent / "made-one", kept)
    if there != "nowhere":
        things.promotion.ready()
        assert things.content(champion) == "one"
        return
    with pytest.raises(UserError, match=r"restore it.*concord promote VERSION.*package here: 2"):
        things.promotion.ready()  # before anything trains
    with pytest.raises(UserError, match="does not exist"):
        things.promotion.promote(1, **PERSON)
    things.promotion.promote(2, **PERSON)
    with pytest.raises(UserError, match="does not exist"):
        things.promotion.rollback(**PERSON)


def test_a_ledger_of_an_earlier_revision_with_one_number_twice_is_read_by_digest(things):
    versions = things.promotion.versions()
    one, two = versions.all()
    again = Entry(
        time=NOW, model="things", kind="registration", version=1, package_digest="f" * 64,
        actor="gate",
    )  # fmt: skip
    Ledger(things.home.ledger).append(again)
    assert things.champion == one
    with pytest.raises(UserError, match=f"2 packages.*{one.package_digest[:8]}, ffffffff"):
        things.promotion.promote(1, **PERSON)
    assert things.promotion.promote(two.package_digest[:8], **PERSON) == two


@pytest.mark.parametrize("name", ["copy with spaces", "100%", "a#b?cü"])
def test_a_copied_home_works_by_itself_and_the_first_one_is_not_written_to(things, name, tmp_path):
    first = things.home.root
    shutil.copytree(first, tmp_path / name)
    before = {p: p.stat().st_mtime_ns for p in first.rglob("*")}
    copy = Things(find(tmp_path / name))
    assert copy.register("three").version == 3
    copy.promotion.promote(3, **PERSON)
    assert copy.alias() == "three"
    assert copy.registry.champion("things").package.is_relative_to(copy.home.root)
    assert {p: p.stat().st_mtime_ns for p in first.rglob("*")} == before
    assert things.alias() == "one"
    with closing(connect(copy.registry.store.database)) as database:
        assert not [line for line in database.iterdump() if f"{first}/" in line]


def test_a_home_through_a_link_is_the_home_itself(things, tmp_path):
    (tmp_path / "link").symlink_to(things.home.root)
    linked = Things(find(tmp_path / "link"))
    assert linked.home == things.home
    assert linked.register("three").version == 3
    moved = things.home.root.rename(tmp_path / "elsewhere")
    (tmp_path / "link").unlink()
    (tmp_path / "link").symlink_to(moved)
    after = Things(find(tmp_path / "link"))
    assert after.register("four").version == 4
    assert after.content(after.champion) == after.alias() == "one"
