"""Pseudo-labels to look at: the surest and the least sure, each once."""

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from components.evaluation.previews import Previews
from components.evaluation.pseudo_samples import samples
from tests import synthetic


@pytest.fixture(scope="module")
def features(tmp_path_factory):
    folder = tmp_path_factory.mktemp("samples") / "features"
    return synthetic.write_features(folder, synthetic.records(120))


def shown(features, folder, confidence, accepted):
    """Notes of the tiles by group and row; reason and source of a record are its position."""
    n = len(confidence)
    table = {
        "id": list(features.ids[:n]),
        "label": [0] * n,
        "confidence": pa.array(confidence, pa.float32()),
        "accepted": accepted,
        "sources": [[f"nr {i}"] for i in range(n)],
        "reason": [f"nr {i}" for i in range(n)],
    }
    pq.write_table(pa.table(table), folder / "pseudo.parquet")
    found = samples(folder, features, Previews(features=features))
    return {
        name: {words: [t.note.partition("nr ")[2] for t in tiles] for words, tiles in group.rows}
        for name, group in found.items()
    }


def test_the_surest_and_the_least_sure_of_each_kind_are_shown(features, tmp_path):
    confidence = np.random.default_rng(0).permutation(50) / 50
    accepted = [i % 2 == 0 for i in range(50)]
    found = shown(features, tmp_path, confidence, accepted)
    falling = [str(i) for i in np.argsort(-confidence)]
    for name, rest in (("accepted", 0), ("refused", 1)):
        own = [i for i in falling if int(i) % 2 == rest]
        assert found[name] == {"the surest": own[:6], "the least sure": own[-6:]}


def test_a_record_is_shown_once(features, tmp_path):
    found = shown(features, tmp_path, np.linspace(1, 0, 8), [True] * 8)
    assert found["accepted"] == {
        "the surest": ["0", "1", "2", "3", "4", "5"],
        "the least sure": ["6", "7"],
    }
    assert found["refused"] == {}


def test_records_without_a_confidence_are_the_least_sure(features, tmp_path):
    confidence = [None, *np.linspace(0.9, 0.1, 12)]
    found = shown(features, tmp_path, confidence, [False] * 13)
    assert found["refused"]["the least sure"][-1] == "0"


def test_of_many_equally_sure_ones_evenly_spaced_ones_are_shown(features, tmp_path):
    found = shown(features, tmp_path, [1.0] * 26 + [0.5] * 20, [True] * 46)
    assert found["accepted"]["the surest"] == ["0", "5", "10", "15", "20", "25"]
