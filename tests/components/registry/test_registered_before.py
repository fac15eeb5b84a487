"""A version registered by an older revision still loads and predicts as before.

`registered_6fc2a22/README.md` describes the fixture. The expected answers are that revision's own.
"""

import json
import shutil
from pathlib import Path

import pandas as pd
import pytest

from components.config.home import find
from components.prediction.predictor import Predictor
from components.registry.ledger import Ledger
from components.registry.promotion import Promotion

OLD = Path(__file__).parent / "registered_6fc2a22"
PACKAGE = OLD / "model" / "package"


def raw(record):
    return {n: v.encode("latin-1") if n == "image" else v for n, v in record.items()}


def some_value(row):
    """Whether no modality is without any value; that revision answered those unlike its own data.

    In its training such a record lacked the fields, but its predictor took them as missing ones.
    """
    return any(v is not None for v in row["record"].get("facts", {"": ""}).values())


ROWS = list(filter(some_value, json.loads((OLD / "answers.json").read_text(encoding="utf-8"))))
RECORDS = [raw(row["record"]) for row in ROWS]


@pytest.mark.filterwarnings("ignore:.*Any type hint is inferred as AnyType:UserWarning")
def test_mlflow_loads_it_and_answers_as_before():
    import mlflow

    model = mlflow.pyfunc.load_model(str(OLD / "model"))
    names = ("facts", "image", "text")
    asked = pd.DataFrame([{n: r.get(n) for n in names} for r in RECORDS], dtype=object)
    answers = model.predict(asked).to_dict("records")
    for answer, row in zip(answers, ROWS, strict=True):
        assert answer["label"] == row["label"]
        assert answer["probabilities"] == pytest.approx(row["probabilities"], abs=1e-6)


def test_the_predictor_loads_its_package_and_answers_as_before():
    answers = Predictor.load(PACKAGE).predict(RECORDS)
    for answer, row in zip(answers, ROWS, strict=True):
        assert answer.label == row["label"]
        assert answer.probabilities == pytest.approx(row["probabilities"], abs=1e-6)


def test_the_predictor_finds_the_same_records_as_before():
    predictor = Predictor.load(PACKAGE)
    for record, row in zip(RECORDS, ROWS, strict=True):
        hits = predictor.search(record, k=5)
        assert [hit.score for hit in hits] == pytest.approx([s for _, s in row["hits"]], abs=1e-5)
        last = row["hits"][-1][1]
        clear = {i for i, score in row["hits"] if score > last + 1e-5}  # the last may be a tie
        assert clear <= {hit.id for hit in hits}


def test_it_is_the_champion_of_the_old_state_folder_and_the_old_ledger_continues(tmp_path):
    home = find(tmp_path)
    shutil.copy(OLD / "ledger.sqlite", home.ledger)
    ledger = Ledger(home.ledger)
    registration, look, promoted = ledger.entries("tiny")
    assert [e.kind for e in (registration, look, promoted)] == ["registration", "look", "promotion"]
    shutil.copytree(PACKAGE, tmp_path / registration.details["package"])
    champion = Promotion(home, "tiny").champion()
    assert Predictor.load(champion.package).digest == champion.package_digest
    assert ledger.append(look)[0].seq == 4
    assert [e.seq for e in Ledger(home.ledger).entries()] == [1, 2, 3, 4]
