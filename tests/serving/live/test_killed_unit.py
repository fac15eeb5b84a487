"""A unit that is killed while it writes comes back with every write that it acknowledged."""

import random
import subprocess
import sys
import time

import pytest

from components.core.names import FUSED
from components.parts.filters import In
from components.prediction.asking import Ask, Given
from components.prediction.predictor import Predictor
from serving.store.database import Database
from serving.store.journal import RecordsJournal
from tests.packaged import packed


def killed_after(place, seconds, begin):
    """The lines that a unit wrote before it was killed, so many seconds after its first one."""
    command = [sys.executable, "-m", "tests.serving.live.killed", str(packed().package)]
    arguments = [*command, str(place), str(begin)]
    with subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True) as process:
        try:
            first = process.stdout.readline()
            time.sleep(seconds)
        finally:
            process.kill()
        rest = process.stdout.read()
    # A line without an end was never read as an acknowledgement.
    lines = [line for line in (first + rest).splitlines(keepends=True) if line.endswith("\n")]
    assert lines
    return [line.rstrip("\n").split(" ", 1) for line in lines]


def check(place, known, unsure):
    """The index of a unit that begins now is that of the package and the last writes."""
    with Database(place) as database:
        unit = Predictor.load(
            packed().package, verify=False, journal=RecordsJournal(database, "tiny")
        )
        unit.collection.apply()
        ids = {f"r000{n}" for n in range(7)}
        for record in ids & set(known) - {unsure}:
            text = known[record]
            assert (record in unit.collection) == bool(text)
            assert unit.collection.preview(record, "text") == (text or None)
            for target in unit.collection.indexes:
                has = record in unit.collection.vectors(target, [record])
                assert has == (bool(text) and target in ("text", FUSED))
            if text:
                (example,) = unit.examples([Given(record={"text": text})])
                ask = Ask(like=[example], k=1, where=In("id", (record,)))
                (hit,) = unit.searcher.search(ask).hits
                assert hit.score == pytest.approx(1, abs=1e-5)
        rest = set(packed().source.ids) - ids
        assert all(record in unit.collection for record in rest)
        assert len(unit.collection) == len(rest) + sum(r in unit.collection for r in ids)
        return unit.collection.applied


def story(place, moments):
    known, begin = {}, 0
    for seconds in moments:
        said = killed_after(place, seconds, begin)
        known |= dict(said)
        begin += len(said)
        # The write after the last acknowledged one may be there, and may not be.
        applied = check(place, known, unsure=f"r000{begin % 7}")
        known.pop(f"r000{begin % 7}", None)
        begin = max(begin, applied)


@pytest.mark.slow
def test_a_unit_killed_at_fifty_moments_comes_back_with_all_that_it_acknowledged(tmp_path):
    moments = random.Random(0)
    story(tmp_path / "store.sqlite", [moments.uniform(0, 0.5) for _ in range(50)])
