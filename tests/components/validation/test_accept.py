"""The ``validate`` step on small sets with one error, random broken sets and real ones."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from components.config.run import DataConfig, Labels
from components.core.errors import UserError
from components.core.refs import digest_folder
from components.data.manifest import parse
from components.validation.accept import main, validate
from tests import datasets
from tests.sounds import encoded, tone, wave

ROOT = Path(__file__).parents[3]


def _validate(folder: Path, out: Path, **more: Any) -> dict[str, Any]:
    out.mkdir(parents=True)
    modalities = more.pop("modalities", {})
    validate(data=DataConfig(uri=str(folder), **more), modalities=modalities, out=out)
    summary = json.loads((out / "summary.json").read_text())
    accepted, quarantined = (
        _ids(out / "records.parquet"),
        _ids(out / "quarantine" / "records.parquet"),
    )
    assert (
        summary["records_in"]
        == summary["accepted"] + summary["quarantined"]
        == len(accepted) + len(quarantined)
    )
    assert summary["accepted"] == len(accepted)
    return summary


def _ids(path: Path) -> list[str]:
    return pq.read_table(path)["id"].to_pylist()


def _failed(summary: dict[str, Any]) -> dict[str, int]:
    return {r["name"]: r["failed"] for r in summary["rules"] if r["failed"]}


def test_a_good_set_is_accepted_whole_in_order(tmp_path: Path):
    summary = _validate(datasets.write(tmp_path / "set"), tmp_path / "out")
    table = pq.read_table(tmp_path / "out" / "records.parquet")
    assert table.column_names == [
        "id",
        "group",
        "split",
        "label",
        "size",
        "bonus",
        "colour",
        "tags",
        "image",
        "text",
    ]
    assert table["id"].to_pylist() == [f"r{i}" for i in range(48)]
    assert summary["split"] == {"train": 32, "val": 8, "test": 8}
    assert summary["label_budget"] == {"train": 32, "val": 8, "total": 40}
    assert summary["warnings"] == []
    stored = json.loads((tmp_path / "out" / "dataset.json").read_text())
    assert stored["classes"] == ["cat", "dog"]
    assert parse(stored["manifest"]).split.column == "split"
    page = (tmp_path / "out" / "data_docs" / "index.html").read_text()
    assert "records" in page
    pages = [
        p.read_text() for p in (tmp_path / "out" / "data_docs" / "validations").rglob("*.html")
    ]
    assert len(pages) == 1
    assert "image readable" in pages[0]
    assert "max_pixels" in pages[0]


def _one(field: str, value: object) -> Callable[[list[dict[str, Any]]], None]:
    def change(records: list[dict[str, Any]]) -> None:
        records[5][field] = value

    return change


@pytest.mark.parametrize(
    ("change", "rule", "reason"),
    [
        (_one("id", "r2"), "id unique", "got id 'r2' again"),
        (_one("id", None), "id given", "got nothing in column 'id'"),
        (_one("group", " "), "group given", "got nothing in column 'group'"),
        (
            _one("split", "trian"),
            "split known",
            "got 'trian' in column 'split', wanted one of train, val, test",
        ),
        (_one("split", "Validation"), "split known", "wanted one of train, val, test; write 'val'"),
        (_one("image", "images/lost.png"), "image readable", "wanted"),
        (_one("image", "../set/records.parquet"), "image readable", "inside the data set"),
        (_one("size", float("inf")), "facts readable", "size"),
    ],
)
def test_a_bad_record_is_put_aside_with_its_reason(tmp_path: Path, change, rule: str, reason: str):
    records = datasets.rows()
    change(records)
    media = {"images/5.png": datasets.png()}
    folder = datasets.write(tmp_path / "set", records, media=media)
    if records[5]["image"] != "images/5.png":
        _forget(folder, str(records[5]["image"]))
    summary = _validate(folder, tmp_path / "out")
    assert _failed(summary) == {rule: 1}
    assert summary["quarantined"] == 1
    (bad,) = pq.read_table(tmp_path / "out" / "quarantine" / "records.parquet").to_pylist()
    assert bad["row"] == 5
    assert len(bad["reasons"]) == 1
    assert reason in bad["reasons"][0]
    assert bad["text"] == "a picture of number 5"
    counts = json.loads((tmp_path / "out" / "quarantine" / "reasons.json").read_text())
    assert counts["counts"] == {rule: 1}


def _forget(folder: Path, path: str) -> None:
    file = folder / "media" / "images-000.parquet"
    rows = [r for r in pq.read_table(file).to_pylist() if r["path"] != path]
    pq.write_table(pa.Table.from_pylist(rows), file)


def test_an_undecodable_picture_and_one_over_the_limit_are_put_aside(tmp_path: Path):
    media = {
        "images/3.png": b"no picture",
        "images/7.png": datasets.png()[:40],
        "images/9.png": datasets.png(side=64),
    }
    folder = datasets.write(tmp_path / "set", media=media)
    summary = _validate(folder, tmp_path / "out", modalities={"image": {"max_pixels": 1000}})
    assert _ids(tmp_path / "out" / "quarantine" / "records.parquet") == ["r3", "r7", "r9"]
    assert _failed(summary) == {"image readable": 3}
    reasons = pq.read_table(tmp_path / "out" / "quarantine" / "records.parquet")[
        "reasons"
    ].to_pylist()
    assert "1,000" in reasons[2][0]


def test_a_record_without_any_modality_is_put_aside(tmp_path: Path):
    records = datasets.rows()
    records[4] |= dict.fromkeys(("image", "text", "size", "colour", "tags"))
    manifest = datasets.MANIFEST.replace("null: {default: 0}", "null: missing")
    summary = _validate(
        datasets.write(tmp_path / "set", records, manifest=manifest), tmp_path / "out"
    )
    assert _failed(summary) == {"some modality": 1}


def test_sounds_without_sound_and_clipped_ones_are_accepted_and_told(tmp_path: Path):
    sounds = {f"s{i}": tone(200 + 10 * i) for i in range(12)}
    sounds["s3"] = encoded(np.zeros(800))
    sounds["s7"] = encoded(np.clip(3 * wave(300), -1, 1))
    sounds["s9"] = b"RIFF"
    splits = ["train", "val", "test"] * 4
    columns = {"id": list(sounds), "split": splits, "label": list("aaabbb") * 2}
    folder = tmp_path / "set"
    folder.mkdir()
    table = pa.table({**columns, "sound": pa.array(list(sounds.values()), pa.binary())})
    pq.write_table(table, folder / "records.parquet")
    (folder / "dataset.yaml").write_text(
        "{id: id, target: {column: label, kind: single}, split: {column: split},"
        " modalities: {sound: {kind: audio, column: sound}}}"
    )
    summary = _validate(folder, tmp_path / "out")
    assert _failed(summary) == {"sound readable": 1}
    assert [w for w in summary["warnings"] if "sound is" in w] == [
        "sound is clipped in 1 record (s7); leave them out where that is not meant",
        "sound is silent in 1 record (s3); leave them out where that is not meant",
    ]


def test_a_label_outside_the_classes_is_put_aside(tmp_path: Path):
    records = datasets.rows()
    records[6]["label"] = "cart"
    manifest = datasets.MANIFEST.replace("kind: single", "kind: single, classes: [cat, dog]")
    summary = _validate(
        datasets.write(tmp_path / "set", records, manifest=manifest), tmp_path / "out"
    )
    assert _failed(summary) == {"label known": 1}
    (bad,) = pq.read_table(tmp_path / "out" / "quarantine" / "records.parquet").to_pylist()
    assert bad["reasons"] == [
        "label known: got 'cart' in column 'label', "
        "wanted one of the 2 classes that the manifest lists (cat, dog)"
    ]


def test_a_record_with_several_faults_says_them_all(tmp_path: Path):
    records = datasets.rows()
    records[5] |= {"id": "r2", "split": "nowhere", "size": float("inf")}
    _validate(datasets.write(tmp_path / "set", records), tmp_path / "out")
    (bad,) = pq.read_table(tmp_path / "out" / "quarantine" / "records.parquet").to_pylist()
    assert len(bad["reasons"]) == 3


def _all(
    field: str, value: object, when: Callable[[dict[str, Any]], bool] = lambda _: True
) -> Callable[[list[dict[str, Any]]], None]:
    def change(records: list[dict[str, Any]]) -> None:
        for r in records:
            if when(r):
                r[field] = value

    return change


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (_all("split", "train", lambda r: r["split"] == "test"), "no record in split test"),
        (_all("label", None), "no training record has a visible label"),
        (_all("label", None, lambda r: r["split"] == "train" and r["label"] == "dog"), "'dog'"),
        (_all("image", None), "no record has modality image"),
        (_all("group", "one"), "1 groups lie in several splits"),
        (_all("id", "same"), "more than half"),
        (_all("id", None), "none of the 48 records is usable"),
    ],
)
def test_a_set_that_cannot_be_used_stops_with_one_message(tmp_path: Path, change, said: str):
    records = datasets.rows()
    change(records)
    with pytest.raises(UserError, match=said) as caught:
        _validate(datasets.write(tmp_path / "set", records), tmp_path / "out")
    assert str(tmp_path / "set") in str(caught.value)


def test_a_missing_column_a_wrong_type_and_no_rows_stop_before_anything_is_read(tmp_path: Path):
    with pytest.raises(UserError, match="unknown column 'text'"):
        _validate(
            datasets.write(tmp_path / "a", change=lambda t: t.drop_columns("text")), tmp_path / "o1"
        )
    as_text = lambda t: t.set_column(  # noqa: E731
        t.column_names.index("size"), "size", t["size"].cast(pa.string())
    )
    folder = datasets.write(tmp_path / "b", change=as_text)
    with pytest.raises(UserError, match="column 'size': got type string"):
        _validate(folder, tmp_path / "o2")
    with pytest.raises(UserError, match="records are empty"):
        _validate(datasets.write(tmp_path / "c", change=lambda t: t.slice(0, 0)), tmp_path / "o3")


def test_a_column_without_any_value_and_unknown_modality_options(tmp_path: Path):
    empty = lambda t: t.set_column(t.column_names.index("size"), "size", pa.nulls(t.num_rows))  # noqa: E731
    folder = datasets.write(tmp_path / "set", change=empty)
    assert _validate(folder, tmp_path / "out")["quarantined"] == 0
    with pytest.raises(UserError, match="unknown modality 'imag': did you mean 'image'"):
        _validate(folder, tmp_path / "out2", modalities={"imag": {}})


def _with_labels(folder: Path) -> Labels:
    ids = [r["id"] for r in datasets.rows() if r["split"] == "train"]
    pq.write_table(
        pa.table({"id": ids, "few": [i < 6 for i in range(len(ids))]}), folder / "labelled.parquet"
    )
    return Labels(file="labelled.parquet", column="few")


def test_hidden_labels_are_nowhere_in_the_output(tmp_path: Path):
    """Replacing every hidden label with garbage (also in quarantine) changes no byte."""
    digests = []
    for name in ("honest", "garbage"):
        records = datasets.rows()
        for i, r in enumerate(records):
            if name == "garbage" and r["split"] == "train" and i >= 6:
                r["label"] = f"garbage {i * 7919}" if i % 3 else None
        records[20]["size"] = float("inf")
        manifest = datasets.MANIFEST.replace("kind: single", "kind: single, classes: [cat, dog]")
        folder = datasets.write(tmp_path / name, records, manifest=manifest)
        labels = _with_labels(folder)
        summary = _validate(folder, tmp_path / f"out-{name}", labels=labels)
        assert summary["label_budget"] == {"train": 6, "val": 8, "total": 14}
        docs = tmp_path / f"out-{name}" / "data_docs"
        assert not any(b"garbage" in p.read_bytes() for p in docs.rglob("*.html"))
        docs.rename(tmp_path / f"docs-{name}")
        digests.append(digest_folder(tmp_path / f"out-{name}"))
    assert digests[0] == digests[1]


def test_label_file_ids_that_match_nothing_are_told(tmp_path: Path):
    folder = datasets.write(tmp_path / "set")
    pq.write_table(
        pa.table({"id": ["r0", "r1", "r999"], "few": [True] * 3}), folder / "labelled.parquet"
    )
    summary = _validate(
        folder, tmp_path / "out", labels=Labels(file="labelled.parquet", column="few")
    )
    assert summary["warnings"] == [
        "1 ids that the label file shows are not among the training records accepted here"
    ]


def test_without_group_and_split_columns_the_hash_decides_and_the_id_is_the_group(tmp_path: Path):
    manifest = datasets.MANIFEST.replace("group: group\n", "").replace(
        "split: {column: split}", "split: {salt: s, validation: 0.25, test: 0.25}"
    )
    change = lambda t: t.drop_columns(["group", "split"])  # noqa: E731
    _validate(datasets.write(tmp_path / "set", manifest=manifest, change=change), tmp_path / "out")
    table = pq.read_table(tmp_path / "out" / "records.parquet")
    assert table["group"].to_pylist() == table["id"].to_pylist()


def test_batches_change_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Duplicates across batches, several frames: the same output as in one batch."""
    records = datasets.rows()
    records[40]["id"] = "r1"
    records[41]["split"] = "nowhere"
    folder = datasets.write(tmp_path / "set", records)
    _validate(folder, tmp_path / "whole")
    monkeypatch.setattr("components.validation.examine.ROWS", 7)
    monkeypatch.setattr("components.validation.examine._FRAME_ROWS", 20)
    _validate(folder, tmp_path / "parts")
    for name in ("records.parquet", "quarantine/records.parquet"):
        assert pq.read_table(tmp_path / "whole" / name).equals(
            pq.read_table(tmp_path / "parts" / name)
        )
    for name in ("summary.json", "dataset.json", "quarantine/reasons.json"):
        assert (tmp_path / "whole" / name).read_bytes() == (tmp_path / "parts" / name).read_bytes()


BROKEN = st.fixed_dictionaries(
    {
        "id": st.sampled_from([None, "r0", "r1", "", "new"]),
        "group": st.sampled_from(["g0", "g1", None]),
        "split": st.sampled_from(["train", "nowhere", None, "TEST"]),
        "label": st.sampled_from(["cat", "dog", "owl", None]),
        "image": st.sampled_from(["images/0.png", "../x", "images/lost.png", None, "bad.png"]),
        "text": st.sampled_from(["some text", " ", None]),
        "size": st.sampled_from([1.0, float("inf"), float("nan"), None]),
    }
)


@settings(
    max_examples=6, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.lists(BROKEN, min_size=1, max_size=16))
def test_in_is_accepted_and_quarantined_and_the_engine_judges_as_the_words_say(
    tmp_path_factory: pytest.TempPathFactory, broken
):
    """The oracle restates each demand in plain Python."""
    where = tmp_path_factory.mktemp("broken")
    base = datasets.rows()
    records = base + [r | {"bonus": None, "colour": None, "tags": None} for r in broken]
    manifest = datasets.MANIFEST.replace("null: {default: 0}", "null: missing").replace(
        "single}", "single, classes: [cat, dog]}"
    )
    folder = datasets.write(where / "set", records, manifest=manifest)
    for path in ("images/lost.png", "../x"):
        _forget(folder, path)
    pq.write_table(
        pa.table({"path": ["bad.png"], "bytes": [b"bad"]}), folder / "media" / "other.parquet"
    )
    _forget(folder, "bad.png")
    expected, known = [], set()
    for row, r in enumerate(records):
        bad = (
            r["split"] not in ("train", "val", "test")
            or not r["group"]
            or r["label"] not in ("cat", "dog", None)
        )
        bad |= not r["id"] or r["id"] in known
        known.add(r["id"])
        bad |= r["image"] not in {b["image"] for b in base} | {None} or r["size"] == float("inf")
        size_given = r["size"] is not None and r["size"] == r["size"]
        bad |= (
            r["image"] is None
            and not (r["text"] or "").strip()
            and not (size_given or r["colour"] or r["tags"])
        )
        if bad:
            expected.append(row)
    straddles = {(r["group"], r["split"]) for i, r in enumerate(records) if i not in expected}
    assert len(straddles) == len({g for g, _ in straddles})
    _validate(folder, where / "out")
    found = pq.read_table(where / "out" / "quarantine" / "records.parquet")["row"].to_pylist()
    assert found == expected
    assert all(
        pq.read_table(where / "out" / "quarantine" / "records.parquet")["reasons"].to_pylist()
    )


def test_the_command_writes_the_result_or_one_message(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    folder = datasets.write(tmp_path / "set")
    assert main([str(folder), str(tmp_path / "out"), "--docs", str(tmp_path / "docs")]) == 0
    assert json.loads(capsys.readouterr().out)["accepted"] == 48
    first = digest_folder(tmp_path / "out")
    assert main([str(folder), str(tmp_path / "out"), "--docs", str(tmp_path / "docs")]) == 0
    assert digest_folder(tmp_path / "out") == first
    assert (tmp_path / "docs" / "site" / "index.html").exists()
    (folder / "records.parquet").unlink()
    assert main([str(folder), str(tmp_path / "out")]) == 1
    assert "no records in" in capsys.readouterr().err
    assert digest_folder(tmp_path / "out") == first


@pytest.mark.parametrize(
    ("name", "records", "labels"), [("dcss-monsters", 665, 102), ("fashion-products", 20329, 1198)]
)
def test_the_real_sets_pass_whole(tmp_path: Path, name: str, records: int, labels: int):
    folder = datasets.shared(name)
    if folder is None:
        pytest.skip(f"no folder shared/data/{name} beside the checkout")
    manifest = str(ROOT / "conf" / f"{name}.dataset.yaml")
    chosen = Labels(file="labelled.parquet", column="labelled_25_seed0")
    summary = _validate(folder, tmp_path / "out", manifest=manifest, labels=chosen)
    assert (summary["records_in"], summary["quarantined"]) == (records, 0)
    assert summary["label_budget"]["train"] == labels
