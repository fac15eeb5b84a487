"""A collection equals its package and the journal, whatever was written, read again or lost."""

import threading
import time

import numpy as np
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from components.core.errors import BadInput
from components.parts.filters import In
from components.prediction.asking import Ask, Given
from components.prediction.journal import Write
from components.prediction.made import MadeRecord, make
from components.prediction.predictor import Predictor
from components.prediction.review import disagreement, doubt
from tests import synthetic
from tests.components.prediction.journals import MemoryJournal
from tests.packaged import packed

SPARE = synthetic.records(12, seed=9)
"""Records that the package does not have, to be written."""
IDS = ["r0000", "r0001", "new/ä", "new b"]


def unit(journal):
    return Predictor.load(packed().package, verify=False, journal=journal)


@pytest.fixture
def journal():
    return MemoryJournal()


class Writing(RuleBasedStateMachine):
    """Two units on one journal, against a dict of what was written last."""

    def __init__(self):
        super().__init__()
        self.journal = MemoryJournal()
        self.here, self.there = unit(self.journal), unit(self.journal)
        self.known = {i: (packed().source.raw(r), ()) for r, i in enumerate(packed().source.ids)}

    @rule(
        record=st.sampled_from(IDS), row=st.integers(0, 11), label=st.sampled_from(["line", None])
    )
    def upsert(self, record, row, label):
        write = Write(id=record, record=SPARE.raw(row), label=label)
        self.here.collection.write([write], ["record"])
        self.known[record] = (SPARE.raw(row), label)

    @rule(records=st.sets(st.sampled_from(IDS), min_size=1))
    def delete(self, records):
        self.here.collection.write([Write(id=i, record=None) for i in records], ["id"] * 4)
        for record in records:
            self.known.pop(record, None)

    @rule(keep=st.booleans())
    def start_again(self, keep):
        if not keep:
            self.journal.kept.clear()
        self.here = unit(self.journal)
        self.here.collection.apply()

    @rule()
    def another_writes(self):
        self.here, self.there = self.there, self.here
        self.here.collection.apply()

    @invariant()
    def equals_the_dict(self):
        collection = self.here.collection
        assert len(collection) == len(self.known)
        for record in IDS:
            raw, label = self.known.get(record, ({}, None))
            known = collection.known(record)
            assert (known is not None) == bool(raw)
            for target in collection.indexes:
                has = record in collection.vectors(target, [record])
                assert has == (bool(raw) if target == "fused" else target in raw)
            if known and label != ():
                assert (known.label, known.modalities) == (label, tuple(sorted(raw)))
                assert collection.preview(record, "text") == raw.get("text")

    @invariant()
    def finds_what_was_written(self):
        record = IDS[2]
        if record not in self.known:
            return
        raw, _ = self.known[record]
        (example,) = self.here.examples([Given(record=raw)])
        ask = Ask(like=[example], k=1, where=In("id", (record,)))
        (hit,) = self.here.searcher.search(ask).hits
        assert hit.score == pytest.approx(1, abs=1e-5)


TestWriting = Writing.TestCase
TestWriting.settings = settings(max_examples=12, stateful_step_count=8, deadline=None)


def test_a_write_is_read_again_from_what_was_made_of_it(journal):
    here = unit(journal)
    write = Write(id="a", record=SPARE.raw(0), label="line")
    here.collection.write([write], ["record"])
    (made,) = make(here.classifier, [write], ["record"])
    again = MadeRecord.from_bytes(journal.kept[here.digest, 1])
    assert again.known == made.known
    assert again.previews == made.previews
    assert {n: v.tolist() for n, v in again.vectors.items()} == {
        n: v.tolist() for n, v in made.vectors.items()
    }


def test_a_restart_embeds_nothing_again(journal, monkeypatch):
    unit(journal).collection.write([Write(id="a", record=SPARE.raw(0))], ["record"])
    again = unit(journal)
    monkeypatch.setattr(again.classifier, "answers", lambda *_: pytest.fail("embedded again"))
    assert again.collection.apply() == 1
    assert "a" in again.collection


@pytest.mark.parametrize(
    ("record", "label", "says"),
    [
        ({"image": b"no picture"}, None, r"records\.1\.record\.image"),
        ({"facts": {"weight": "heavy"}}, None, r"records\.1\.record\.facts\.weight"),
        ({"sound": b"x"}, None, r"records\.1\.record\.sound: got an unknown modality"),
        ({}, None, r"records\.1\.record: got no modality"),
        ({"text": "a"}, "cirle", r"records\.1\.record\.label.*did you mean 'circle'"),
        ({"text": "a"}, ["line"], r"records\.1\.record\.label.*wanted one class"),
    ],
)
def test_nothing_is_written_where_one_record_cannot_be_read(journal, record, label, says):
    here = unit(journal)
    writes = [Write(id="a", record={"text": "good"}), Write(id="b", record=record, label=label)]
    with pytest.raises(BadInput, match=says):
        here.collection.write(writes, ["records.0.record", "records.1.record"])
    assert journal.rows == []
    assert "a" not in here.collection


def test_what_another_version_took_and_this_one_cannot_read_is_skipped_and_counted(journal):
    here = unit(journal)
    journal.append([
        Write(id="a", record={"text": "good"}), Write(id="b", record={"sound": b"x"}),
        Write(id="r0000", record={"image": b"no picture"}),
    ])  # fmt: skip
    assert here.collection.apply() == 3
    assert here.collection.skipped == 2
    # What was there under this id is not what the user wrote last.
    assert ["a" in here.collection, "b" in here.collection, "r0000" in here.collection] == [
        True, False, False,
    ]  # fmt: skip


def test_writers_of_many_threads_and_searches_beside_them_agree_in_the_end(journal):
    here, there = unit(journal), unit(journal)
    failed = []

    def work(of, thread):
        try:
            for n in range(6):
                write = Write(id=f"{thread}-{n % 3}", record={"text": f"ring {thread} {n}"})
                of.collection.write([write], ["record"])
                assert write.id in of.collection
                of.searcher.search(Ask(like=of.examples([Given(record=write.record)])))
        except Exception as error:
            failed.append(error)

    threads = [
        threading.Thread(target=work, args=(of, f"{name}{n}"))
        for name, of in (("here", here), ("there", there))
        for n in range(3)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failed
    here.collection.apply()
    there.collection.apply()
    assert here.collection.written() == there.collection.written()
    assert here.collection.applied == there.collection.applied == 36


def test_up_to_stops_no_earlier_than_asked(journal):
    here, there = unit(journal), unit(journal)
    for n in range(3):
        here.collection.write([Write(id=f"n{n}", record={"text": "ring"})], ["record"])
    assert there.collection.apply(2) >= 2
    assert "n1" in there.collection


def test_fields_of_a_written_record_can_be_filtered_by_at_once(journal):
    here = unit(journal)
    record = {"facts": {"weight": 77.5, "colour": "mauve", "tags": "x,y"}}
    here.collection.write([Write(id="a", record=record)], ["record"])
    for field, value in (("colour", "mauve"), ("tags", "y"), ("weight", 77.5)):
        where = In(f"facts.{field}", (value,))
        page = here.searcher.search(Ask(like=here.examples([Given(record=record)]), where=where))
        assert [hit.id for hit in page.hits] == ["a"]
    assert here.collection.fields("a")["facts"] == {
        "weight": 77.5, "colour": "mauve", "tags": ["x", "y"],
    }  # fmt: skip


def test_the_queue_has_what_is_least_sure_or_split_first(journal):
    here = unit(journal)
    packaged, source = here.collection.packaged, packed().source
    here.collection.write([Write(id="r0002", record=None)], ["id"])
    here.collection.write([Write(id="w", record=SPARE.raw(0))], ["record"])
    unlabelled = [i for i, label in zip(source.ids, source.label, strict=True) if label is None]
    wanted = {}
    for record in [*unlabelled, "w"]:
        known = here.collection.known(record)
        if known:
            (answer,) = here.predict(
                [SPARE.raw(0) if record == "w" else source.raw(packaged.row_of[record])]
            )
            assert known.confidence == pytest.approx(answer.confidence, abs=1e-4)
            said = here.classifier.contributions(answer)
            assert known.votes == {name: said[name].label for name in answer.modalities}
            wanted[record] = doubt(known.confidence, disagreement(known.votes))
    found = here.review.first(1000)
    assert [d.doubt for d in found] == sorted((d.doubt for d in found), reverse=True)
    assert {d.id: d.doubt for d in found} == pytest.approx(wanted)
    assert [d.id for d in here.review.first(3, without={found[0].id})] == [d.id for d in found[1:4]]


@pytest.mark.slow
def test_a_thousand_upserts_are_found_as_soon_as_they_are_acknowledged(journal):
    here = unit(journal)
    writes = [Write(id=f"n{n}", record={"text": f"ring {n}"}) for n in range(1000)]
    here.collection.write(writes, [""] * 1000)
    began = time.monotonic()
    (example,) = here.examples([Given(record={"text": "ring"})])
    where = In("id", tuple(write.id for write in writes))
    assert len(here.searcher.search(Ask(like=[example], k=2000, where=where)).hits) == 1000
    assert time.monotonic() - began < 1


def test_packages_without_confidence_votes_and_attributes_still_load(tmp_path):
    import shutil

    import pyarrow.parquet as pq

    from components.parts import loading as parts
    from components.prediction.format import RECORDS

    folder = tmp_path / "package"
    shutil.copytree(packed().package, folder)
    table = pq.read_table(folder / "index" / RECORDS)
    pq.write_table(table.drop_columns(["confidence", "votes"]), folder / "index" / RECORDS)
    now = unit(None)
    labels = dict(zip(packed().source.ids, packed().source.label, strict=True))
    module = parts.load("index", "exact")
    for target in now.collection.indexes:
        stored = now.collection.vectors(target, packed().source.ids)
        index = module.build(
            parts.configure("index", "exact", {}), dim=16, attributes={"label": "text"}
        )
        index.upsert(
            list(stored), np.stack(list(stored.values())), {"label": [labels[i] for i in stored]}
        )
        shutil.rmtree(folder / "index" / target)
        index.save(folder / "index" / target)
    old = Predictor(folder, "digest")
    ask = Ask(
        like=now.examples([Given(record={"text": "ring"})]), where=In("facts.colour", ("red",))
    )
    assert old.searcher.search(ask).hits == now.searcher.search(ask).hits != []
    assert old.review.first(5) == []


def test_what_was_replaced_later_is_not_applied(journal):
    there = unit(journal)
    for row in range(5):
        there.collection.write([Write(id="a", record=SPARE.raw(row))], ["record"])
    new = unit(journal)
    assert new.collection.apply() == 5
    assert new.collection.upserted == 1
    (ours,), (theirs,) = (u.collection.vectors("fused", ["a"]).values() for u in (new, there))
    assert (ours == theirs).all()
