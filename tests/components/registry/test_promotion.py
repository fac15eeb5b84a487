"""Decisions take effect once, survive any crash, and never override a person's."""

import random
import shutil
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise

import numpy as np
import pytest

from components.config.home import find
from components.config.run import GateConfig
from components.core.errors import UserError
from components.registry.gate import Rows, decide
from components.registry.ledger import Ledger
from components.registry.mlflow_client import Store
from components.registry.mlflow_runs import record_run
from components.registry.mlflow_store import Registry
from components.registry.promotion import ChampionChanged, Promotion
from components.registry.versions import models
from tests.stores import ROOT, state

pytestmark = [
    # MLflow's own query on SQLAlchemy 2.1.
    pytest.mark.filterwarnings("ignore:.*noload.* loader strategy:DeprecationWarning"),
    # MLflow warns of its own type hints when `mlflow.pyfunc` is imported.
    pytest.mark.filterwarnings("ignore:.*Any type hint is inferred as AnyType:UserWarning"),
]
LABELS = np.array(["a", "b"] * 50)
NOW = "2026-01-02T03:04:05+00:00"
PERSON = {"actor": "ada", "reason": "it is better", "time": NOW}


@pytest.fixture
def home(tmp_path):
    return state(tmp_path / "home")


def things(home):
    return Promotion(home, "things")


def registered(home, *digests):
    """Versions 1, 2, ... of the model `things`."""
    package = home.root / "package"
    package.mkdir(exist_ok=True)
    (package / "weights.safetensors").write_bytes(b"weights")
    run = record_run(Store(home), "things", "run", params={}, metrics={}, tags={}, artifacts={})
    return [
        things(home).register(
            package,
            package_digest=d,
            run=run,
            modalities={"name": "text"},
            time=NOW,
        )
        for d in digests
    ]


def decision(challenger, champion, *, better=True, margin=0.0):
    wrong = np.repeat("wrong", len(LABELS))
    rows = Rows(
        labels=LABELS, challenger=LABELS if better else wrong, champion=wrong, majority=wrong
    )
    config = GateConfig(metric="accuracy", resamples=100, margin=margin)
    return decide(rows, challenger=challenger, champion=champion, rows_digest="rows", config=config)


def alias(home):
    champion = Registry(home).champion("things")
    return champion.version if champion else None


def kinds(home):
    return [e.kind for e in Ledger(home.ledger).entries("things") if e.kind != "registration"]


def test_the_same_evidence_twice_decides_once(home):
    (one,) = registered(home, "one")
    first = things(home).apply(decision("one", None), one, time=NOW)
    assert (first.verdict, first.changed, first.recorded, first.champion.version) == (
        "promote",
        True,
        True,
        1,
    )
    second = things(home).apply(decision("one", None), one, time=NOW)
    assert (second.changed, second.recorded, second.champion.version) == (False, False, 1)
    assert kinds(home) == ["look", "promotion"]
    assert alias(home) == 1


def test_a_refusal_is_remembered_and_another_margin_decides_again(home):
    one, two = registered(home, "one", "two")
    things(home).apply(decision("one", None), one, time=NOW)
    for _ in range(2):
        refused = things(home).apply(decision("two", "one", better=False), two, time=NOW)
        assert (refused.verdict, refused.changed) == ("keep", False)
    assert kinds(home) == ["look", "promotion", "look", "refusal"]
    again = things(home).apply(decision("two", "one", margin=0.1), two, time=NOW)
    assert (again.verdict, again.champion.version) == ("promote", 2)
    assert things(home).versions().history.looks() == 3
    assert alias(home) == 2


def test_a_rolled_back_version_is_promoted_again_by_a_person_only(home):
    one, two = registered(home, "one", "two")
    things(home).apply(decision("one", None), one, time=NOW)
    things(home).apply(decision("two", "one"), two, time=NOW)
    assert things(home).rollback(actor="ada", reason="smells", time=NOW) == one
    assert alias(home) == 1
    for recorded in (True, False):
        outcome = things(home).apply(decision("two", "one"), two, time=NOW)
        assert (outcome.verdict, outcome.recorded, outcome.champion) == ("keep", recorded, one)
        assert "rolled back by ada" in outcome.reasons[0]
    assert things(home).promote(2, **PERSON) == two
    assert things(home).champion() == two
    assert alias(home) == 2


def test_a_person_who_chose_another_version_is_not_overruled_by_old_evidence(home):
    one, two = registered(home, "one", "two")
    things(home).apply(decision("one", None), one, time=NOW)
    things(home).apply(decision("two", "one"), two, time=NOW)
    things(home).promote(1, **PERSON)
    outcome = things(home).apply(decision("two", "one"), two, time=NOW)
    assert (outcome.verdict, outcome.recorded, outcome.champion) == ("keep", False, one)


def test_a_decision_against_a_champion_that_is_gone_is_not_applied(home):
    one, two, three = registered(home, "one", "two", "three")
    things(home).apply(decision("one", None), one, time=NOW)
    late = decision("three", "one")
    things(home).apply(decision("two", "one"), two, time=NOW)
    with pytest.raises(ChampionChanged, match="became version 2"):
        things(home).apply(late, three, time=NOW)
    assert alias(home) == 2


def test_registration_is_idempotent_and_needs_no_mlflow_the_second_time(home):
    one, two = registered(home, "one", "two")
    assert (one.version, two.version) == (1, 2)
    assert one.package.is_dir()
    assert home.root in one.package.parents
    code = (
        "import sys; from pathlib import Path; from components.config.home import find\n"
        "from components.registry.promotion import Promotion\n"
        "things = Promotion(find(Path(sys.argv[1])), 'things')\n"
        "package = Path(sys.argv[1]) / 'package'\n"
        "s = things.register(package, package_digest='two', run='r', modalities={}, time='t')\n"
        "things.reconcile() if sys.argv[2] == 'again' else None\n"
        "sys.exit(10 * s.version + ('mlflow' in sys.modules))"
    )
    assert (
        subprocess.run(
            [sys.executable, "-c", code, str(home.root), "once"], cwd=ROOT, check=False
        ).returncode
        == 20
    )
    things(home).promote(2, **PERSON)
    assert (
        subprocess.run(
            [sys.executable, "-c", code, str(home.root), "again"], cwd=ROOT, check=False
        ).returncode
        == 20
    )
    assert [e.kind for e in Ledger(home.ledger).entries()] == [
        "registration",
        "registration",
        "promotion",
    ]


def test_a_package_whose_files_were_deleted_is_put_back_by_registering_it_again(home):
    (one,) = registered(home, "one")
    shutil.rmtree(one.package)
    assert registered(home, "one") == things(home).versions().all() == [one]
    assert (one.package / "weights.safetensors").read_bytes() == b"weights"


class _Crash(BaseException):
    """Stands for SIGKILL: the state on disk is the same, but the test can examine it."""


def crash(monkeypatch, cls, name, *, before):
    real = getattr(cls, name)

    def die(*args, **kwargs):
        if not before:
            real(*args, **kwargs)
        raise _Crash

    monkeypatch.setattr(cls, name, die)


@pytest.mark.parametrize(
    ("cls", "name", "before"),
    [(Ledger, "append", True), (Registry, "set_alias", True), (Registry, "set_alias", False)],
)
def test_a_crash_around_any_write_is_mended_by_the_next_call(home, monkeypatch, cls, name, before):
    registered(home, "one", "two")
    things(home).promote(1, **PERSON)
    crash(monkeypatch, cls, name, before=before)
    with pytest.raises(_Crash):
        things(home).promote(2, **PERSON)
    monkeypatch.undo()
    assert things(home).champion().version == (1 if cls is Ledger else 2)
    things(home).reconcile()
    assert alias(home) == things(home).champion().version
    assert things(home).promote(2, **PERSON).version == alias(home) == 2
    assert kinds(home) == ["promotion", "promotion"]


def test_sigkill_between_ledger_and_alias_is_mended_and_frees_the_lock(home):
    registered(home, "one", "two")
    things(home).promote(1, **PERSON)
    code = (
        "import os, signal, sys; from pathlib import Path\n"
        "from components.config.home import find\n"
        "from components.registry.mlflow_store import Registry\n"
        "from components.registry.promotion import Promotion\n"
        "Registry.champion = lambda *_: os.kill(os.getpid(), signal.SIGKILL)\n"
        "things = Promotion(find(Path(sys.argv[1])), 'things')\n"
        "things.promote(2, actor='ada', reason='r', time='t')\n"
    )
    died = subprocess.run(
        [sys.executable, "-c", code, str(home.root)], cwd=ROOT, capture_output=True, check=False
    )
    assert died.returncode == -signal.SIGKILL, died.stderr
    assert things(home).champion().version == 2
    assert alias(home) == 1
    assert things(home).reconcile()
    assert alias(home) == 2


def test_any_walk_of_promotions_and_rollbacks_keeps_ledger_and_alias_together(home):
    """The oracle is a stack."""
    registered(home, "one", "two", "three")
    walk, stack = random.Random(0), []
    for _ in range(25):
        if walk.random() < 0.6 or len(stack) < 2:
            version = walk.randint(1, 3)
            things(home).promote(version, **PERSON)
            stack += [version] if stack[-1:] != [version] else []
        else:
            things(home).rollback(**PERSON)
            stack.pop()
        assert things(home).champion().version == stack[-1]
        assert alias(home) == stack[-1]


def test_two_at_once_leave_one_champion(home):
    registered(home, "one", "two")

    def promote_often(version):
        for _ in range(5):
            things(home).promote(version, **PERSON)

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(promote_often, (1, 2)))
    promoted = [e.version for e in Ledger(home.ledger).entries("things", "promotion")]
    assert all(a != b for a, b in pairwise(promoted))
    assert alias(home) == things(home).champion().version == promoted[-1]


def test_what_cannot_be_done_says_what_to_do(home, tmp_path):
    with pytest.raises(UserError, match="concord run"):
        things(home).promote(1, **PERSON)
    registered(home, "one")
    with pytest.raises(UserError, match="did you mean 'things'"):
        Promotion(home, "thing").rollback(**PERSON)
    with pytest.raises(UserError, match=r"no champion.*`concord promote VERSION --model things`"):
        things(home).rollback(**PERSON)
    with pytest.raises(UserError, match=r"unknown version '7'.*there are: 1, challenger"):
        things(home).promote(7, **PERSON)
    things(home).promote(1, **PERSON)
    with pytest.raises(UserError, match="no champion before version 1"):
        things(home).rollback(**PERSON)
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="CONCORD_HOME"):
        things(find(tmp_path / "file" / "home")).promote(1, **PERSON)
    assert alias(home) == 1


def test_champion_and_challenger_are_names_of_versions_and_the_challenger_is_the_newest(home):
    one, two = registered(home, "one", "two")
    with pytest.raises(UserError, match=r"no champion; there are: 1, 2, chall.*concord promote"):
        things(home).versions().named("champion")
    things(home).promote(1, **PERSON)
    versions = things(home).versions()
    named = [versions.named(name) for name in ("champion", "challenger", "1", "2")]
    assert named == [one, two, one, two]


def test_a_decision_reads_the_ledger_once(home, monkeypatch):
    (one,) = registered(home, "one")
    reads = []
    real = Ledger.entries
    monkeypatch.setattr(Ledger, "entries", lambda *args: reads.append(args) or real(*args))
    things(home).apply(decision("one", None), one, time=NOW)
    assert len(reads) == 1


def test_reading_an_empty_state_makes_nothing(tmp_path):
    home = find(tmp_path / "home")
    assert things(home).champion() is None
    assert things(home).versions().all() == models(home) == []
    assert not home.root.exists()
