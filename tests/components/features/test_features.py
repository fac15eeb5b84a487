import itertools
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.core.errors import UsageError, UserError
from components.core.files import write_json
from components.core.refs import digest_folder
from components.features.cache import FeatureCache, PreviewCache, content_key
from components.features.encode import encode
from components.features.examine import Examiner
from components.features.modality import build_modality, rebuilt
from components.features.store import Features
from components.parts.encoders.hashing import HashingEncoder
from components.parts.kinds.image import ImageKind
from tests.sounds import encoded, tone
from tests.synthetic import CLASSES, COLUMNS, OPTIONS, modalities, records, write_features

ROOT = Path(__file__).parents[3]


def write_accepted(folder, source):
    """What validate writes, for synthetic records."""
    folder.mkdir(parents=True)
    facts = source.raws["facts"]
    table = pa.table(
        {
            "id": source.ids,
            "group": source.ids,
            "split": source.splits,
            "label": pa.array(source.label, pa.string()),
            "picture": pa.array(source.raws["image"], pa.binary()),
            "title": pa.array(source.raws["text"], pa.string()),
            "weight": pa.array([f and f["weight"] for f in facts], pa.float64()),
            "colour": pa.array([f and f["colour"] for f in facts], pa.string()),
            "tags": pa.array([f and f["tags"] for f in facts], pa.list_(pa.string())),
        }
    )
    pq.write_table(table, folder / "records.parquet")
    manifest = {
        "id": "id",
        "group": "group",
        "target": {"column": "label"},
        "split": {"column": "split"},
        "modalities": COLUMNS,
    }
    write_json(folder / "dataset.json", {"manifest": manifest, "classes": CLASSES})
    return folder


def run(accepted, cache, out):
    out.mkdir()
    return encode(
        accepted=accepted, data_uri=str(accepted), modalities=OPTIONS, cache=cache, out=out
    )


@pytest.fixture(scope="module")
def accepted(tmp_path_factory):
    return write_accepted(tmp_path_factory.mktemp("data") / "accepted", records(60))


def test_encode_gives_what_the_modalities_give(accepted, tmp_path):
    run(accepted, tmp_path / "cache", tmp_path / "out")
    found, wanted = (
        Features.load(tmp_path / "out"),
        write_features(tmp_path / "direct", records(60)),
    )
    assert found.ids == wanted.ids
    assert found.labels.tolist() == wanted.labels.tolist()
    assert np.array_equal(found.present, wanted.present)
    for view in found.arrays:
        assert np.array_equal(found.arrays[view], wanted.arrays[view], equal_nan=True)
    assert found.previews().equals(wanted.previews())
    assert found.specs["image"].views[0].shape == (8, 8, 1)
    for name in ("image", "text"):  # equal numbers where the raw values are equal, 0 without one
        raw, numbers = records(60).raws[name], found.contents[:, found.names.index(name)]
        pairs = itertools.product(range(60), repeat=2)
        assert all((raw[i] == raw[j]) == (numbers[i] == numbers[j]) for i, j in pairs)
        assert all((value is None) == (n == 0) for value, n in zip(raw, numbers, strict=True))


def test_absent_rows_are_zeros_and_have_no_preview(accepted, tmp_path):
    run(accepted, tmp_path / "cache", tmp_path / "out")
    found = Features.load(tmp_path / "out")
    shown = found.previews()
    for column, name in enumerate(found.names):
        absent = ~found.present[:, column]
        assert absent.any()
        assert all(not array[absent].any() for array in found.views([name]).values())
        assert [v is None for v in shown[name].to_pylist()] == absent.tolist()


def test_the_same_records_give_the_same_bytes_from_a_full_or_an_empty_cache(accepted, tmp_path):
    first = run(accepted, tmp_path / "cache", tmp_path / "a")
    second = run(accepted, tmp_path / "cache", tmp_path / "b")
    run(accepted, tmp_path / "other", tmp_path / "c")
    assert all(first.values())
    assert not any(second.values())
    assert (
        digest_folder(tmp_path / "a")
        == digest_folder(tmp_path / "b")
        == digest_folder(tmp_path / "c")
    )


def test_added_records_encode_only_themselves(accepted, tmp_path):
    run(accepted, tmp_path / "cache", tmp_path / "a")
    more = write_accepted(tmp_path / "more", records(80))
    fresh = run(more, tmp_path / "cache", tmp_path / "b")
    a, b = (_contents(Features.load(tmp_path / x)) for x in "ab")
    for view, count in fresh.items():
        name = view.partition("/")[0]
        assert count == len(b[name] - a[name])


def _contents(found):
    """Distinct previews: here each is the whole raw value."""
    shown = found.previews()
    return {name: {v for v in shown[name].to_pylist() if v is not None} for name in found.names}


def test_changed_options_encode_only_that_modality(accepted, tmp_path):
    run(accepted, tmp_path / "cache", tmp_path / "a")
    out = tmp_path / "b"
    out.mkdir()
    options = OPTIONS | {"text": {"encoders": {"name": "hashing", "buckets": 8}}}
    fresh = encode(
        accepted=accepted,
        data_uri=str(accepted),
        modalities=options,
        cache=tmp_path / "cache",
        out=out,
    )
    assert fresh["text/hashing"] > 0 == fresh["image/cnn"] == fresh["facts/fields"]


def test_a_trained_part_of_an_encoder_is_not_in_the_cache_key(accepted, tmp_path):
    run(accepted, tmp_path / "cache", tmp_path / "a")
    (tmp_path / "b").mkdir()
    cnn = OPTIONS["image"]["encoders"][0] | {"widths": [16, 16]}
    options = OPTIONS | {"image": {"encoders": cnn}}
    fresh = encode(
        accepted=accepted,
        data_uri=str(accepted),
        modalities=options,
        cache=tmp_path / "cache",
        out=tmp_path / "b",
    )
    assert not any(fresh.values())


def test_all_wrong_options_are_said_at_once(accepted, tmp_path):
    tmp_path.joinpath("out").mkdir()
    wrong = {
        "imaeg": {},
        "text": {"encoders": "bert"},
        "facts": {"encoders": {"name": "fields", "bucketts": 3}},
    }
    with pytest.raises(UsageError) as caught:
        encode(
            accepted=accepted,
            data_uri="",
            modalities=wrong,
            cache=tmp_path / "c",
            out=tmp_path / "out",
        )
    assert all(word in str(caught.value) for word in ("'image'", "'buckets'", "minilm"))


def test_features_made_by_another_decoder_are_refused(tmp_path, monkeypatch):
    found = write_features(tmp_path / "f", records(8))
    monkeypatch.setattr("components.parts.kinds.image.VERSION", 999)
    with pytest.raises(UserError, match="another version of the decoder"):
        rebuilt("image", found.specs["image"])


def test_an_unfinished_folder_is_refused(tmp_path):
    with pytest.raises(UserError, match="run the encode step again"):
        Features.load(tmp_path)


SLOW = """
import sys, time
from pathlib import Path
from components.features import encode as encoding
encoding._ROWS = 8
from components.parts.encoders import cnn
once = cnn.CnnEncoder.encode
def slow(self, values):
    Path(sys.argv[4]).open("a").write(f"{len(values)}\\n")
    time.sleep(0.15)
    return once(self, values)
cnn.CnnEncoder.encode = slow
from tests.synthetic import OPTIONS
out = Path(sys.argv[3]); out.mkdir()
encoding.encode(
    accepted=Path(sys.argv[1]), data_uri="", modalities=OPTIONS, cache=Path(sys.argv[2]), out=out
)
"""


def start(*arguments):
    return subprocess.Popen([sys.executable, "-c", SLOW, *map(str, arguments)], cwd=ROOT)


def calls(path):
    return [int(line) for line in path.read_text().split()] if path.exists() else []


def test_a_killed_run_goes_on_where_it_was(accepted, tmp_path):
    log = tmp_path / "log"
    process = start(accepted, tmp_path / "cache", tmp_path / "a", log)
    while len(calls(log)) < 4:
        assert process.poll() is None
        time.sleep(0.02)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    before = sum(calls(log)[:3])
    fresh = run(accepted, tmp_path / "cache", tmp_path / "b")
    total = sum(v is not None for v in records(60).raws["image"])
    assert 0 < fresh["image/cnn"] <= total - before
    run(accepted, tmp_path / "clean", tmp_path / "c")
    assert digest_folder(tmp_path / "b") == digest_folder(tmp_path / "c")


def test_two_processes_share_the_work(accepted, tmp_path):
    log = tmp_path / "log"
    both = [start(accepted, tmp_path / "cache", tmp_path / name, log) for name in "ab"]
    assert [p.wait() for p in both] == [0, 0]
    assert digest_folder(tmp_path / "a") == digest_folder(tmp_path / "b")
    assert sum(calls(log)) == sum(v is not None for v in records(60).raws["image"])


def rows(n):
    return np.arange(n * 3, dtype=np.float32).reshape(n, 3)


KEYS = [f"{i:032x}" for i in range(4)]


def cache_in(folder):
    return FeatureCache(folder, "d", (3,), np.dtype(np.float32))


@pytest.mark.parametrize("damage", ["cut", "flip", "no data", "cut description", "other shape"])
def test_a_damaged_shard_is_not_there(tmp_path, damage):
    cache_in(tmp_path).add(KEYS, rows(4))
    data, about = next(tmp_path.glob("d/*.npy")), next(tmp_path.glob("d/*.json"))
    if damage == "cut":
        data.write_bytes(data.read_bytes()[:-5])
    elif damage == "flip":
        data.write_bytes(data.read_bytes()[:-1] + b"\x99")
    elif damage == "no data":
        data.unlink()
    elif damage == "cut description":
        about.write_text(about.read_text()[:40])
    else:
        shutil.copy(data, data.with_name("x.npy"))
        np.save(data, np.zeros((2, 2)))
    again = cache_in(tmp_path)
    again.refresh()
    assert again.missing(KEYS) == set(KEYS)
    again.add(KEYS, rows(4))
    later = cache_in(tmp_path)
    later.refresh()
    assert np.array_equal(later.take(KEYS), rows(4))


def test_equal_content_in_one_batch_is_encoded_once(tmp_path, monkeypatch):
    seen = []
    once = HashingEncoder.encode
    monkeypatch.setattr(HashingEncoder, "encode", lambda s, v: seen.extend(v) or once(s, v))
    examiner = Examiner(modalities(("text",))["text"], tmp_path)
    found = examiner.examine(["a ring", "a box", "a ring"])
    assert seen == ["a ring", "a box"]
    assert examiner.fresh == {"text/hashing": 2}
    vectors = found.inputs["text/hashing"]
    assert np.array_equal(vectors[0], vectors[2])


def test_a_medium_is_decoded_once_for_a_check_its_views_and_its_preview(tmp_path, monkeypatch):
    seen = []
    once = ImageKind.decode
    monkeypatch.setattr(ImageKind, "decode", lambda s, *a: seen.append(1) or once(s, *a))
    pictures = [v for v in records(40).raws["image"] if v is not None]
    modality = modalities(("image",))["image"]
    assert not Examiner(modality, tmp_path).check(pictures, map).faults
    found = Examiner(modality, tmp_path).examine(pictures)
    assert len(seen) == len(set(pictures))
    assert found.previews == pictures


def test_what_is_odd_about_a_medium_is_told_whether_or_not_it_is_in_the_cache(tmp_path):
    modality = build_modality("sound", "audio", {}, {"kind": "audio", "column": "sound"})
    sounds = [tone(), encoded(np.zeros(800)), b"no sound", tone(300)]
    told = [Examiner(modality, tmp_path).check(sounds, map) for _ in range(2)]
    assert [list(found.faults) for found in told] == [[2], [2]]
    assert [{r: n for r, n in found.notices.items() if n} for found in told] == [
        {1: ("silent",)},
        {1: ("silent",)},
    ]


def test_a_value_that_cannot_be_decoded_is_named_and_keeps_its_neighbours(tmp_path):
    pictures = [v for v in records(8).raws["image"] if v is not None][:2]
    given = [pictures[0], b"no picture", 3, pictures[1]]
    found = Examiner(modalities(("image",))["image"], tmp_path).examine(given)
    assert sorted(found.faults) == [1, 2]
    assert not found.inputs["image/cnn"][1:3].any()
    assert found.inputs["image/cnn"][[0, 3]].any(axis=(1, 2, 3)).all()
    assert [p is None for p in found.previews] == [False, True, True, False]


@given(st.lists(st.binary(max_size=20), min_size=1, max_size=6, unique=True))
def test_previews_of_any_length_come_back(previews):
    with tempfile.TemporaryDirectory() as folder:
        keys = [content_key(p) for p in previews]
        PreviewCache(Path(folder), "p").add(keys, previews)
        again = PreviewCache(Path(folder), "p")
        again.refresh()
        assert again.take(keys[::-1]) == previews[::-1]


def test_a_cache_that_cannot_be_written_says_what_to_do(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="CONCORD_HOME"):
        FeatureCache(tmp_path / "file", "d", (3,), np.dtype(np.float32))


def test_an_encoder_that_breaks_its_promise_of_a_shape_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr(HashingEncoder, "encode", lambda _, values: np.zeros((len(values), 7)))
    examiner = Examiner(modalities(("text",))["text"], tmp_path)
    with pytest.raises(UserError, match=r"text/hashing.*shape \(1, 7\), wanted \(1, 16\)"):
        examiner.examine(["a ring"])
