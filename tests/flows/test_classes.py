"""``concord classes`` on the state of a run: what a person sees, and what the registry holds."""

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from components.config.home import Home
from components.core.errors import UsageError, UserError
from components.registry.ledger import Ledger
from components.registry.promotion import Promotion
from flows.commands import classes, registry
from tests import synthetic

MANIFEST = """\
id: id
target: {column: label, kind: single}
modalities:
  text: {kind: text, column: text}
"""


@pytest.fixture
def state(again, monkeypatch):
    monkeypatch.setenv("CONCORD_HOME", str(again / "home"))
    return Home(root=again / "home")


def exemplars(folder, labels):
    folder.mkdir()
    rows = [
        {"id": f"z{i}", "label": label, "text": f"zebra stripes {i}"}
        for i, label in enumerate(labels)
    ]
    schema = pa.schema([("id", pa.string()), ("label", pa.string()), ("text", pa.string())])
    pq.write_table(pa.Table.from_pylist(rows, schema=schema), folder / "records.parquet")
    (folder / "dataset.yaml").write_text(MANIFEST, encoding="utf-8")
    return str(folder)


def test_an_added_class_is_a_version_that_a_person_promotes(state, tmp_path):
    before = max(one.version for one in Promotion(state, "tiny").versions().all())
    answer = classes.add(
        "zebra",
        data=exemplars(tmp_path / "new", ["zebra", "zebra", "horse"]),
        model=None,
        version="challenger",
    )
    assert answer.value["exemplars"] == 2
    # MLflow's numbers go on where the ledger was put back; see ``kept`` in conftest.
    assert answer.value["version"] > before
    assert classes.list_(None, "challenger").value["classes"] == [*synthetic.CLASSES, "zebra"]
    assert "zebra" not in classes.list_(None, str(before)).value["classes"]
    (entry,) = Ledger(state.ledger).entries("tiny")[-1:]
    assert (entry.kind, entry.version) == ("registration", answer.value["version"])
    assert "'zebra' was added" in entry.details["reason"]
    registry.promote(None, "challenger", "zebras came")
    assert Promotion(state, "tiny").champion().version == answer.value["version"]


def test_a_name_alone_makes_a_version_too(state):
    answer = classes.add("zebra", data=None, model=None, version="challenger")
    assert classes.list_(None, "challenger").value["classes"] == [*synthetic.CLASSES, "zebra"]
    assert (answer.value["exemplars"], answer.value["modalities"]) == (0, ("text",))
    assert "from its name alone (text)" in answer.text
    (entry,) = Ledger(state.ledger).entries("tiny")[-1:]
    assert "from its name alone" in entry.details["reason"]


def test_a_name_beside_exemplars_needs_exemplars():
    with pytest.raises(UsageError, match="give them with `--from DATA`"):
        classes.add("zebra", data=None, model=None, version="challenger", with_name=True)


def test_records_without_labels_all_show_the_class(state, tmp_path):  # noqa: ARG001
    data = exemplars(tmp_path / "new", [None, None, None])
    answer = classes.add("zebra", data=data, model=None, version="challenger")
    assert answer.value["exemplars"] == 3


def test_labels_of_other_classes_are_no_exemplars(state, tmp_path):  # noqa: ARG001
    data = exemplars(tmp_path / "new", ["zebr", "horse"])
    with pytest.raises(UserError, match="zebr"):
        classes.add("zebra", data=data, model=None, version="challenger")
