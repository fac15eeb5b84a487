"""Bad records are put aside with their reasons: sets with one error, and random broken sets."""

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

from tests import datasets
from tests.components.validation.checked import checked, failed, forget, ids
from tests.sounds import encoded, tone, wave


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
        forget(folder, str(records[5]["image"]))
    summary = checked(folder, tmp_path / "out")
    assert failed(summary) == {rule: 1}
    assert summary["quarantined"] == 1
    (bad,) = pq.read_table(tmp_path / "out" / "quarantine" / "records.parquet").to_pylist()
    assert bad["row"] == 5
    assert len(bad["reasons"]) == 1
    assert reason in bad["reasons"][0]
    assert bad["text"] == "a picture of number 5"
    counts = json.loads((tmp_path / "out" / "quarantine" / "reasons.json").read_text())
    assert counts["counts"] == {rule: 1}


def test_an_undecodable_picture_and_one_over_the_limit_are_put_aside(tmp_path: Path):
    media = {
        "images/3.png": b"no picture",
        "images/7.png": datasets.png()[:40],
        "images/9.png": datasets.png(side=64),
    }
    folder = datasets.write(tmp_path / "set", media=media)
    summary = checked(folder, tmp_path / "out", modalities={"image": {"max_pixels": 1000}})
    assert ids(tmp_path / "out" / "quarantine" / "records.parquet") == ["r3", "r7", "r9"]
    assert failed(summary) == {"image readable": 3}
    reasons = pq.read_table(tmp_path / "out" / "quarantine" / "records.parquet")[
        "reasons"
    ].to_pylist()
    assert "1,000" in reasons[2][0]


def test_a_record_without_any_modality_is_put_aside(tmp_path: Path):
    records = datasets.rows()
    records[4] |= dict.fromkeys(("image", "text", "size", "colour", "tags"))
    manifest = datasets.MANIFEST.replace("null: {default: 0}", "null: missing")
    summary = checked(
        datasets.write(tmp_path / "set", records, manifest=manifest), tmp_path / "out"
    )
    assert failed(summary) == {"some modality": 1}


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
    summary = checked(folder, tmp_path / "out")
    assert failed(summary) == {"sound readable": 1}
    assert [w for w in summary["warnings"] if "sound is" in w] == [
        "sound is clipped in 1 record (s7); leave them out if that is not intended",
        "sound is silent in 1 record (s3); leave them out if that is not intended",
    ]


def test_a_label_outside_the_classes_is_put_aside(tmp_path: Path):
    records = datasets.rows()
    records[6]["label"] = "cart"
    manifest = datasets.MANIFEST.replace("kind: single", "kind: single, classes: [cat, dog]")
    summary = checked(
        datasets.write(tmp_path / "set", records, manifest=manifest), tmp_path / "out"
    )
    assert failed(summary) == {"label known": 1}
    (bad,) = pq.read_table(tmp_path / "out" / "quarantine" / "records.parquet").to_pylist()
    assert bad["reasons"] == [
        "label known: got 'cart' in column 'label', "
        "wanted one of the 2 classes that the manifest lists (cat, dog)"
    ]


def test_a_record_with_several_faults_says_them_all(tmp_path: Path):
    records = datasets.rows()
    records[5] |= {"id": "r2", "split": "nowhere", "size": float("inf")}
    checked(datasets.write(tmp_path / "set", records), tmp_path / "out")
    (bad,) = pq.read_table(tmp_path / "out" / "quarantine" / "records.parquet").to_pylist()
    assert len(bad["reasons"]) == 3


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
        forget(folder, path)
    pq.write_table(
        pa.table({"path": ["bad.png"], "bytes": [b"bad"]}), folder / "media" / "other.parquet"
    )
    forget(folder, "bad.png")
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
    checked(folder, where / "out")
    found = pq.read_table(where / "out" / "quarantine" / "records.parquet")["row"].to_pylist()
    assert found == expected
    assert all(
        pq.read_table(where / "out" / "quarantine" / "records.parquet")["reasons"].to_pylist()
    )
