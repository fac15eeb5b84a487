"""Decisions take effect once, survive a crash at any point, and a person's word stands."""

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
from components.registry import promotion
from components.registry.gate import Rows, decide
from components.registry.ledger import Ledger
from components.registry.mlflow_store import Registry
from components.registry.promotion import ChampionChanged
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


def registered(home, *digests):
    """Versions 1, 2, ... of the model `things`."""
    package = home.root / "package"
    package.mkdir(exist_ok=True)
    (package / "weights.safetensors").write_bytes(b"weights")
    run = Registry(home).record_run("things", "run", params={}, metrics={}, tags={}, artifacts={})
    return [
        promotion.register(
            home,
            "things",
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
    config = GateConfig(resamples=100, margin=margin)
    return decide(rows, challenger=challenger, champion=champion, rows_digest="rows", config=config)


def alias(home):
    champion = Registry(home).champion("things")
    return champion.version if champion else None


def kinds(home):
    return [e.kind for e in Ledger(home.ledger).entries("things") if e.kind != "registration"]


def test_the_same_evidence_twice_decides_once(home):
    (one,) = registered(home, "one")
    first = promotion.apply(home, "things", decision("one", None), one, time=NOW)
    assert (first.verdict, first.changed, first.recorded, first.champion.version) == (
        "promote",
        True,
        True,
        1,
    )
    second = promotion.apply(home, "things", decision("one", None), one, time=NOW)
    assert (second.changed, second.recorded, second.champion.version) == (False, False, 1)
    assert kinds(home) == ["look", "promotion"]
    assert alias(home) == 1


def test_a_refusal_is_remembered_and_another_margin_decides_again(home):
    one, two = registered(home, "one", "two")
    promotion.apply(home, "things", decision("one", None), one, time=NOW)
    for _ in range(2):
        refused = promotion.apply(
            home, "things", decision("two", "one", better=False), two, time=NOW
        )
        assert (refused.verdict, refused.changed) == ("keep", False)
    assert kinds(home) == ["look", "promotion", "look", "refusal"]
    again = promotion.apply(home, "things", decision("two", "one", margin=0.1), two, time=NOW)
    assert (again.verdict, again.champion.version) == ("promote", 2)
    assert Ledger(home.ledger).looks("things") == 3
    assert alias(home) == 2


def test_a_rolled_back_version_is_promoted_again_by_a_person_only(home):
    one, two = registered(home, "one", "two")
    promotion.apply(home, "things", decision("one", None), one, time=NOW)
    promotion.apply(home, "things", decision("two", "one"), two, time=NOW)
    assert promotion.rollback(home, "things", actor="ada", reason="smells", time=NOW) == one
    assert alias(home) == 1
    for recorded in (True, False):
        outcome = promotion.apply(home, "things", decision("two", "one"), two, time=NOW)
        assert (outcome.verdict, outcome.recorded, outcome.champion) == ("keep", recorded, one)
        assert "rolled back by ada" in outcome.reasons[0]
    assert promotion.promote(home, "things", 2, **PERSON) == two
    assert promotion.champion(home, "things") == two
    assert alias(home) == 2


def test_a_person_who_chose_another_version_is_not_overruled_by_old_evidence(home):
    one, two = registered(home, "one", "two")
    promotion.apply(home, "things", decision("one", None), one, time=NOW)
    promotion.apply(home, "things", decision("two", "one"), two, time=NOW)
    promotion.promote(home, "things", 1, **PERSON)
    outcome = promotion.apply(home, "things", decision("two", "one"), two, time=NOW)
    assert (outcome.verdict, outcome.recorded, outcome.champion) == ("keep", False, one)


def test_a_decision_against_a_champion_that_is_gone_is_not_applied(home):
    one, two, three = registered(home, "one", "two", "three")
    promotion.apply(home, "things", decision("one", None), one, time=NOW)
    late = decision("three", "one")
    promotion.apply(home, "things", decision("two", "one"), two, time=NOW)
    with pytest.raises(ChampionChanged, match="became version 2"):
        promotion.apply(home, "things", late, three, time=NOW)
    assert alias(home) == 2


def test_registration_is_idempotent_and_needs_no_mlflow_the_second_time(home):
    one, two = registered(home, "one", "two")
    assert (one.version, two.version) == (1, 2)
    assert one.package.is_dir()
    assert home.root in one.package.parents
    code = (
        "import sys; from pathlib import Path; from components.registry import promotion; from components.config.home import find\n"
        "home = find(Path(sys.argv[1]))\n"
        "s = promotion.register(home, 'things', Path('x'), package_digest='two', run='r', modalities={}, time='t')\n"
        "promotion.reconcile(home, 'things') if sys.argv[2] == 'again' else None\n"
        "sys.exit(10 * s.version + ('mlflow' in sys.modules))"
    )
    assert (
        subprocess.run(
            [sys.executable, "-c", code, str(home.root), "once"], cwd=ROOT, check=False
        ).returncode
        == 20
    )
    promotion.promote(home, "things", 2, **PERSON)
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
    assert registered(home, "one") == promotion.versions(home, "things") == [one]
    assert (one.package / "weights.safetensors").read_bytes() == b"weights"


class _Crash(BaseException):
    """What SIGKILL is to the state on disk, where the process itself must live on to look at it."""


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
    promotion.promote(home, "things", 1, **PERSON)
    crash(monkeypatch, cls, name, before=before)
    with pytest.raises(_Crash):
        promotion.promote(home, "things", 2, **PERSON)
    monkeypatch.undo()
    assert promotion.champion(home, "things").version == (1 if cls is Ledger else 2)
    promotion.reconcile(home, "things")
    assert alias(home) == promotion.champion(home, "things").version
    assert promotion.promote(home, "things", 2, **PERSON).version == alias(home) == 2
    assert kinds(home) == ["promotion", "promotion"]


def test_sigkill_between_ledger_and_alias_is_mended_and_frees_the_lock(home):
    registered(home, "one", "two")
    promotion.promote(home, "things", 1, **PERSON)
    code = (
        "import os, signal, sys; from pathlib import Path; from components.registry import promotion; from components.registry import mlflow_store as registry\n"
        "from components.config.home import find\n"
        "registry.Registry.champion = lambda *_: os.kill(os.getpid(), signal.SIGKILL)\n"
        "promotion.promote(find(Path(sys.argv[1])), 'things', 2, actor='ada', reason='r', time='t')\n"
    )
    died = subprocess.run(
        [sys.executable, "-c", code, str(home.root)], cwd=ROOT, capture_output=True, check=False
    )
    assert died.returncode == -signal.SIGKILL, died.stderr
    assert promotion.champion(home, "things").version == 2
    assert alias(home) == 1
    assert promotion.reconcile(home, "things")
    assert alias(home) == 2


def test_any_walk_of_promotions_and_rollbacks_keeps_ledger_and_alias_together(home):
    """The oracle is a stack."""
    registered(home, "one", "two", "three")
    walk, stack = random.Random(0), []
    for _ in range(25):
        if walk.random() < 0.6 or len(stack) < 2:
            version = walk.randint(1, 3)
            promotion.promote(home, "things", version, **PERSON)
            stack += [version] if stack[-1:] != [version] else []
        else:
            promotion.rollback(home, "things", **PERSON)
            stack.pop()
        assert promotion.champion(home, "things").version == stack[-1]
        assert alias(home) == stack[-1]


def test_two_at_once_leave_one_champion(home):
    registered(home, "one", "two")

    def promote_often(version):
        for _ in range(5):
            promotion.promote(home, "things", version, **PERSON)

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(promote_often, (1, 2)))
    promoted = [e.version for e in Ledger(home.ledger).entries("things", "promotion")]
    assert all(a != b for a, b in pairwise(promoted))
    assert alias(home) == promotion.champion(home, "things").version == promoted[-1]


def test_what_cannot_be_done_says_what_to_do(home, tmp_path):
    with pytest.raises(UserError, match="concord run"):
        promotion.promote(home, "things", 1, **PERSON)
    registered(home, "one")
    with pytest.raises(UserError, match="did you mean 'things'"):
        promotion.rollback(home, "thing", **PERSON)
    with pytest.raises(UserError, match=r"no champion.*concord promote things"):
        promotion.rollback(home, "things", **PERSON)
    with pytest.raises(UserError, match="no version 7; registered: 1"):
        promotion.promote(home, "things", 7, **PERSON)
    promotion.promote(home, "things", 1, **PERSON)
    with pytest.raises(UserError, match="no champion before version 1"):
        promotion.rollback(home, "things", **PERSON)
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="CONCORD_HOME"):
        promotion.promote(find(tmp_path / "file" / "home"), "things", 1, **PERSON)
    assert alias(home) == 1


def test_reading_an_empty_state_makes_nothing(tmp_path):
    home = find(tmp_path / "home")
    assert promotion.champion(home, "things") is None
    assert promotion.versions(home, "things") == promotion.models(home) == []
    assert not home.root.exists()
