"""The journal keeps every acknowledged write, in the order of numbers, in either database."""

import random
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from components.prediction.journal import Entry, Made, Write
from serving.store.journal import RecordsJournal

RECORD = {
    "text": "ring \x00 ä 😀",
    "image": b"\x89PNG\x00",
    "facts": {"weight": 1.5, "tags": ["a"]},
}


@pytest.fixture
def journal(opened):
    return RecordsJournal(opened(), "shapes")


def test_what_was_written_is_read_as_it_was(journal):
    writes = [
        Write(id="a", record=RECORD, label="line"), Write(id="b", record=None),
        Write(id="c", record={"text": ""}, label=["x", "y"]),
    ]  # fmt: skip
    assert journal.last() == 0
    assert journal.append(writes) == 3
    assert journal.append([Write(id="a", record=None)]) == 4
    assert journal.last() == 4
    assert journal.written([1, 2, 3, 9]) == dict(enumerate(writes, start=1))
    assert journal.after(1, 2) == [
        Entry(number=2, id="b", deleted=True), Entry(number=3, id="c", deleted=False),
    ]  # fmt: skip
    assert journal.after(4, 9) == []


def test_models_share_a_database_and_not_their_records(journal, opened):
    journal.append([Write(id="a", record=RECORD)])
    other = RecordsJournal(opened(), "others")
    other.append([Write(id="b", record=RECORD)])
    assert [e.id for e in journal.after(0, 9)] == ["a"]
    assert [e.id for e in other.after(0, 9)] == ["b"]


def test_what_models_made_is_kept_by_package_and_may_be_kept_twice(journal):
    journal.append([Write(id="a", record=RECORD), Write(id="b", record=None)],
                   Made(digest="d1", contents=[b"one", None]))  # fmt: skip
    journal.keep("d2", {1: b"two"})
    journal.keep("d2", {1: b"two again"})
    assert journal.made("d1", [1, 2]) == {1: b"one"}
    assert journal.made("d2", [1]) == {1: b"two"}
    assert journal.made("d3", [1]) == {}


def test_many_rows_are_read_at_once(journal):
    last = journal.append([Write(id=f"r{n}", record={"text": str(n)}) for n in range(1200)])
    numbers = [entry.number for entry in journal.after(0, 5000)]
    assert numbers == list(range(last - 1199, last + 1))
    assert len(journal.written(numbers)) == 1200


def test_compaction_keeps_the_last_write_of_each_record_and_numbers_go_on(journal, opened):
    other = RecordsJournal(opened(), "others")
    other.append([Write(id="a", record=RECORD)], Made(digest="theirs", contents=[b"x"]))
    for made in (b"1", b"2", b"3"):
        journal.append([Write(id="a", record=RECORD)], Made(digest="d", contents=[made]))
    journal.append([Write(id="b", record=RECORD), Write(id="b", record=None)],
                   Made(digest="old", contents=[b"4", None]))  # fmt: skip
    assert journal.compact(["d"]) == 3
    assert [(e.number, e.id, e.deleted) for e in journal.after(0, 9)] == [
        (4, "a", False), (6, "b", True),
    ]  # fmt: skip
    assert journal.made("d", range(1, 7)) == {4: b"3"}
    assert journal.made("old", range(1, 7)) == {}
    assert journal.written([4])[4].record == RECORD
    assert other.made("theirs", [1]) == {1: b"x"}
    assert journal.append([Write(id="c", record=RECORD)]) == 7


def test_a_follower_misses_no_number_of_many_writers(opened):
    """Each writer stays in its transaction for a while, so that numbers could overtake commits."""
    journal, done, seen = RecordsJournal(opened(), "shapes"), threading.Event(), []

    def follow():
        follower, at = RecordsJournal(opened(), "shapes"), 0
        while True:
            ended = done.is_set()
            for entry in follower.after(at, 7):
                assert entry.number == at + 1
                at = entry.number
                seen.append(entry.id)
            if ended and at == follower.last():
                return

    def write(n):
        records = [Write(id=f"{n}-{i}", record={"image": bytes(1000 * (n % 5))}) for i in range(3)]
        return journal.append(records)

    with ThreadPoolExecutor(7) as pool:
        following = pool.submit(follow)
        lasts = list(pool.map(write, range(30)))
        done.set()
        following.result(60)
    assert sorted(lasts) == list(range(3, 91, 3))
    assert sorted(seen) == sorted(f"{n}-{i}" for n in range(30) for i in range(3))


def killed_after(place, seconds):
    """The lines of a writer that was killed after so many seconds."""
    command = [sys.executable, "-m", "tests.serving.store.killed", str(place)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            first = process.stdout.readline()
            time.sleep(seconds)
        finally:
            process.kill()
        rest = process.stdout.read()
    # The last line may be cut: then nobody has read it as an acknowledgement.
    lines = (first + rest).splitlines(keepends=True)
    return [line.rstrip("\n").split(" ", 2) for line in lines if line.endswith("\n")]


def check_kill(opened, place, seconds):
    said = killed_after(place, seconds)
    journal = RecordsJournal(opened(), "shapes")
    entries = {entry.number: entry for entry in journal.after(0, 1_000_000)}
    written = journal.written([int(number) for number, _, _ in said])
    for number, record, text in said:
        assert entries[int(number)].id == record
        found = written[int(number)]
        assert (found.record["text"] if found.record else "") == text
    assert sorted(entries) == list(range(1, len(entries) + 1))
    assert len(entries) - int(said[-1][0]) <= 1, "at most the one that was being acknowledged"


def place_of(opened):
    return opened()._place


def test_a_killed_writer_loses_nothing_that_it_acknowledged(opened):
    check_kill(opened, place_of(opened), 0.15)


@pytest.mark.slow
def test_a_writer_killed_at_fifty_moments_loses_nothing_that_it_acknowledged(opened):
    moments = random.Random(0)
    for _ in range(50):
        check_kill(opened, place_of(opened), moments.uniform(0, 0.3))
