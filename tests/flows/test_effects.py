"""The gate compares champion and challenger record by record."""

import pyarrow.parquet as pq
import pytest

from components.evaluation import standing
from flows import effects
from tests.evaluated import prepare


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return prepare(tmp_path_factory.mktemp("effects"), n=120, names=("text",), concat=False)


def test_the_gate_pairs_answers_by_record_in_whatever_order_the_champions_come(run):
    """Oracle: a champion that is the challenger gives its very answers."""
    table = pq.read_table(run.evaluate(run.root / "out") / "comparisons.parquet")
    known = standing.answers(run.root / "train" / "model", run.features)
    orders = {
        "as they are": known,
        "backwards": dict(reversed(known.items())),
        "by answer": dict(sorted(known.items(), key=lambda item: item[1])),
    }
    chosen = table["chosen"].to_pylist()
    assert len(set(chosen)) > 1  # else every order is the same
    for name, answers in orders.items():
        rows = effects.paired(table, run.features, answers)
        assert rows.champion.tolist() == rows.challenger.tolist() == chosen, name
        assert rows.labels.tolist() == table["label"].to_pylist()


def test_a_record_that_the_champion_does_not_know_counts_as_wrong(run):
    table = pq.read_table(run.evaluate(run.root / "again") / "comparisons.parquet")
    (gone, *_) = table["id"].to_pylist()
    known = standing.answers(run.root / "train" / "model", run.features)
    del known[gone]
    rows = effects.paired(table, run.features, known)
    assert rows.champion[0] == ""
    assert rows.champion[1:].tolist() == rows.challenger[1:].tolist()
    assert effects.paired(table, run.features, None).champion is None
