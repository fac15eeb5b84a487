"""Encoding and prediction in parts equal one process; incomplete parts are never joined."""

import errno
import json
from dataclasses import replace

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from components.core.errors import UserError
from components.core.refs import Ref, digest_file, digest_folder
from components.data.manifest import load_manifest
from components.exchange.errors import ExchangeError
from components.exchange.exchange import Exchange
from components.features.encode import encode
from components.prediction.batch import predict
from components.prediction.block import BLOCK
from components.prediction.format import check_package
from components.prediction.predictor import Predictor
from components.shards import work
from components.shards.accounting import accounted, folders, results
from components.shards.cut import media_in_store
from components.shards.join import join_answers, join_features
from components.shards.plan import EncodePlan, PredictPlan
from components.shards.spec import ShardSpec, bounds
from components.shards.work import run_index
from tests import synthetic, tiny
from tests.behaviour import own_parts
from tests.packaged import packed

RECORDS = 240
JOB = "job"


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """A data set with media files, its accepted records, and the results of one process."""
    return tiny.encoded(tmp_path_factory.mktemp("shards"), RECORDS)


def ref(path):
    return Ref(uri=str(path), digest=digest_folder(path))


def encode_plan(data, shards, chunk=BLOCK):
    return EncodePlan(
        accepted=ref(data / "accepted"),
        data=ref(data / "data"),
        modalities=synthetic.OPTIONS,
        shards=shards,
        chunk=chunk,
    )


def run_all(spec, exchange, place, attempt="uid"):
    return [
        run_index(
            spec, index, exchange=exchange, job=JOB, attempt=attempt, cache=place / f"cache{index}"
        )
        for index in range(len(spec.parts))
    ]


def joined(spec, exchange, data, place):
    chunks = accounted(spec, results(exchange, JOB, {}, place / "scratch"))
    out = place / "joined"
    out.mkdir()
    copies = folders(exchange, JOB, chunks, place / "scratch")
    join_features(accepted=data / "accepted", modalities=synthetic.OPTIONS, chunks=copies, out=out)
    assert not list((place / "scratch").iterdir()), "a chunk's copy was left"
    return out


@pytest.mark.parametrize(("shards", "chunk"), [(1, 64), (2, 128), (3, 64), (50, 2048)])
def test_parts_join_to_the_bytes_that_one_process_writes(data, tmp_path, shards, chunk):
    exchange = Exchange(str(tmp_path / "exchange"))
    plan = encode_plan(data, shards, chunk)
    spec = plan.cut(exchange, tmp_path / "scratch")
    assert spec.digest() == plan.digest()
    assert len(spec.parts) == plan.count == min(shards, -(-RECORDS // BLOCK))
    figures = run_all(spec, exchange, tmp_path)
    assert sum(f["rows"] for f in figures) == RECORDS
    assert digest_folder(joined(spec, exchange, data, tmp_path)) == digest_folder(data / "features")


@settings(max_examples=200, deadline=None)
@given(
    rows=st.integers(1, 5_000),
    shards=st.integers(1, 200),
    chunk=st.sampled_from([64, 128, 512, 2048]),
)
def test_ranges_cover_all_rows_once_in_whole_chunks_or_blocks(rows, shards, chunk):
    found = bounds(rows, shards, chunk)
    assert [row for start, stop in found for row in range(start, stop)] == list(range(rows))
    unit = chunk if rows > chunk * (shards - 1) else BLOCK
    assert all(start < stop and start % unit == 0 for start, stop in found)
    assert len(found) == min(shards, -(-rows // unit))
    sizes = [-(-(stop - start) // unit) for start, stop in found]
    assert max(sizes) - min(sizes) <= 1


@pytest.fixture(scope="module")
def whole(data, tmp_path_factory):
    """All three parts, run once."""
    place = tmp_path_factory.mktemp("whole")
    exchange = Exchange(str(place / "exchange"))
    spec = encode_plan(data, 3).cut(exchange, place / "scratch")
    run_all(spec, exchange, place)
    return spec, exchange, results(exchange, JOB, {}, place / "scratch")


def test_a_spec_survives_json_and_its_digest_knows_contents_not_places(whole):
    spec = whole[0]
    assert ShardSpec.model_validate_json(spec.model_dump_json()) == spec
    moved = spec.model_copy(update={"media": "s3://elsewhere/data"})
    assert moved.digest() == spec.digest()
    assert (
        spec.model_copy(update={"source": {"accepted": "0", "data": "1"}}).digest() != spec.digest()
    )


def test_parts_that_leave_out_rows_are_no_spec(whole):
    tree = whole[0].model_dump(mode="json")
    del tree["parts"][1]
    with pytest.raises(ValueError, match="rows 128 to 192 of 240"):
        ShardSpec.model_validate_json(json.dumps(tree))


def test_missing_double_and_foreign_parts_are_refused_all_at_once(whole):
    spec, _, parts = whole
    foreign = parts[2].model_copy(update={"spec": "f" * 64})
    with pytest.raises(UserError) as caught:
        accounted(spec, [parts[0], parts[0], foreign])
    message = str(caught.value)
    for said in (
        "the 240 rows",
        "part 0 is there 2 times",
        "part 1 (rows 128 to 191) is missing",
        "part 2 (rows 192 to 239) is missing",
        "part 2 is of another task",
        "Nothing was joined",
    ):
        assert said in message


def test_rows_missing_or_double_within_a_part_are_refused(whole):
    spec, _, parts = whole
    short = parts[0].model_copy(update={"chunks": parts[0].chunks[:1]})
    with pytest.raises(UserError, match="part 0: ends with row 63, wanted 127"):
        accounted(spec, [short, *parts[1:]])
    twice = parts[0].model_copy(update={"chunks": [parts[0].chunks[0], *parts[0].chunks]})
    with pytest.raises(UserError, match="part 0: rows 0 to 63 are double"):
        accounted(spec, [twice, *parts[1:]])
    hole = parts[0].model_copy(update={"chunks": parts[0].chunks[1:]})
    with pytest.raises(UserError, match="part 0: rows 0 to 63 are missing"):
        accounted(spec, [hole, *parts[1:]])


def test_a_chunk_that_is_not_what_its_part_said_is_refused(whole, tmp_path):
    spec, exchange, parts = whole
    index, chunk = accounted(spec, parts)[0]
    with pytest.raises(UserError, match="rows 0 to 63: got content"):
        next(
            folders(
                exchange, JOB, [(index, chunk.model_copy(update={"digest": "0" * 64}))], tmp_path
            )
        )


def test_parts_in_another_order_are_noticed_by_their_ids(whole, data, tmp_path):
    spec, exchange, parts = whole
    chunks = accounted(spec, parts)
    chunks[0], chunks[1] = chunks[1], chunks[0]
    (tmp_path / "out").mkdir()
    with pytest.raises(UserError, match="got record 'r0064' where 'r0000' was wanted"):
        join_features(
            accepted=data / "accepted",
            modalities=synthetic.OPTIONS,
            chunks=folders(exchange, JOB, chunks, tmp_path),
            out=tmp_path / "out",
        )


def test_pods_with_another_decoder_are_refused(whole, data, tmp_path, monkeypatch):
    spec, exchange, parts = whole
    monkeypatch.setattr("components.parts.kinds.image.VERSION", 999)
    (tmp_path / "out").mkdir()
    with pytest.raises(UserError, match="'image' was encoded by other code"):
        join_features(
            accepted=data / "accepted",
            modalities=synthetic.OPTIONS,
            chunks=folders(exchange, JOB, accounted(spec, parts), tmp_path),
            out=tmp_path / "out",
        )


class _StopError(Exception):
    pass


def test_an_index_that_was_killed_goes_on_with_the_chunks_it_lacks(data, tmp_path, monkeypatch):
    exchange = Exchange(str(tmp_path / "exchange"))
    spec = encode_plan(data, 1).cut(exchange, tmp_path / "scratch")
    once, seen = work.Encode.chunk, []

    def counted(self, records, out):
        if len(seen) == 2:
            raise _StopError
        seen.append(records["id"][0].as_py())
        once(self, records, out)

    monkeypatch.setattr(work.Encode, "chunk", counted)
    with pytest.raises(_StopError):
        run_index(spec, 0, exchange=exchange, job=JOB, attempt="first", cache=tmp_path / "a")
    assert results(exchange, JOB, {}, tmp_path / "scratch") == []
    seen.clear()
    monkeypatch.setattr(
        work.Encode,
        "chunk",
        lambda self, records, out: (seen.append(len(records)), once(self, records, out)),
    )
    figures = run_index(spec, 0, exchange=exchange, job=JOB, attempt="second", cache=tmp_path / "b")
    assert figures == {"rows": RECORDS, "chunks": 4, "resumed": 2}
    assert seen == [64, 48]
    assert digest_folder(joined(spec, exchange, data, tmp_path)) == digest_folder(data / "features")


def test_a_chunk_without_its_listing_is_done_again(data, tmp_path):
    exchange = Exchange(str(tmp_path / "exchange"))
    spec = encode_plan(data, 1).cut(exchange, tmp_path / "scratch")
    run_all(spec, exchange, tmp_path, "first")
    next(
        (tmp_path / "exchange" / "jobs" / work.chunk_job(JOB, 0) / "attempts").glob("64-*.json")
    ).unlink()
    (again,) = run_all(spec, exchange, tmp_path, "second")
    assert again["resumed"] == 3


def test_the_result_of_the_pod_that_succeeded_is_taken_and_a_zombie_writes_apart(data, tmp_path):
    exchange = Exchange(str(tmp_path / "exchange"))
    spec = encode_plan(data, 1).cut(exchange, tmp_path / "scratch")
    run_all(spec, exchange, tmp_path, "living")
    before = digest_folder(tmp_path / "exchange" / "jobs" / JOB / "attempts" / "0-living")
    run_all(spec, exchange, tmp_path, "zombie")
    assert digest_folder(tmp_path / "exchange" / "jobs" / JOB / "attempts" / "0-living") == before
    assert len(results(exchange, JOB, {0: "living"}, tmp_path / "scratch")) == 1


def test_media_that_a_pod_cannot_reach_are_no_bug_of_the_code(data, tmp_path, monkeypatch):
    exchange = Exchange(str(tmp_path / "exchange"))
    spec = (
        encode_plan(data, 1)
        .cut(exchange, tmp_path / "scratch")
        .model_copy(update={"media": "s3://bucket/data"})
    )

    def refused(_, uri):
        raise PermissionError(f"403 Forbidden: {uri}")

    with monkeypatch.context() as patch:
        patch.setattr("components.data.media.Media.__init__", refused)
        with pytest.raises(
            ExchangeError, match=r"cannot read s3://bucket/data: PermissionError.*trainer\.secrets"
        ):
            run_all(spec, exchange, tmp_path)

    def lost(*_):
        raise ConnectionResetError("in the middle")

    spec = spec.model_copy(update={"media": str(data / "data")})
    with monkeypatch.context() as patch:
        patch.setattr("components.data.media.Media.fetch", lost)
        with pytest.raises(ExchangeError, match=r"cannot read .*/data: ConnectionResetError"):
            run_all(spec, exchange, tmp_path)
    run_all(spec, exchange, tmp_path)
    assert digest_folder(joined(spec, exchange, data, tmp_path)) == digest_folder(data / "features")


def test_an_error_of_the_local_disk_is_not_blamed_on_the_media(data, tmp_path, monkeypatch):
    exchange = Exchange(str(tmp_path / "exchange"))
    spec = (
        encode_plan(data, 1)
        .cut(exchange, tmp_path / "scratch")
        .model_copy(update={"media": str(data / "data")})
    )

    def full(*_, **__):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("components.features.encode.FeaturesWriter", full)
    with pytest.raises(OSError, match="No space left"):
        run_all(spec, exchange, tmp_path)


def test_only_an_exchange_in_s3_lets_pods_read_media_in_s3_themselves():
    assert media_in_store("s3://bucket/data", "s3://bucket/exchange") == "s3://bucket/data"
    assert media_in_store("s3://bucket/data", "/mnt/exchange") is None
    assert media_in_store("/data", "s3://bucket/exchange") is None


def test_a_users_own_encoder_travels_with_the_parts(data, tmp_path):
    mine = tmp_path / "conf" / "letters.py"
    mine.parent.mkdir()
    mine.write_text(own_parts.ENCODER)
    options = {"text": {"encoders": ["./letters.py"]}}
    plan = replace(encode_plan(data, 2), modalities=options, base=mine.parent)
    exchange = Exchange(str(tmp_path / "exchange"))
    spec = plan.cut(exchange, tmp_path / "scratch")
    mine.unlink()  # pods do not see it
    run_all(spec, exchange, tmp_path)
    mine.write_text(own_parts.ENCODER)
    chunks = accounted(spec, results(exchange, JOB, {}, tmp_path))
    for name in ("joined", "alone"):
        (tmp_path / name).mkdir()
    given = {"accepted": data / "accepted", "modalities": options, "base": mine.parent}
    pieces = folders(exchange, JOB, chunks, tmp_path, plan.code())
    join_features(chunks=pieces, out=tmp_path / "joined", **given)
    cache = tmp_path / "cache"
    encode(data_uri=str(data / "data"), cache=cache, out=tmp_path / "alone", **given)
    assert digest_folder(tmp_path / "joined") == digest_folder(tmp_path / "alone")


@pytest.fixture(scope="module")
def answers(tmp_path_factory):
    """A model and a data set with an empty record, a broken picture and a missing picture."""
    root = tmp_path_factory.mktemp("answers")
    data = tiny.make(root / "data", RECORDS)
    table = pq.read_table(data / "records.parquet")
    rows = table.to_pylist()
    rows[3] |= dict.fromkeys(("image", "text", "weight", "colour", "tags"))
    rows[70] |= {"image": "images/broken.png", "text": "round ring"}
    rows[200] |= {"image": "images/gone.png", **dict.fromkeys(("text", "weight", "colour", "tags"))}
    (data / "media" / "images" / "broken.png").write_bytes(b"no picture")
    pq.write_table(
        pa.Table.from_pylist(rows, schema=table.schema).drop_columns(["label", "split"]),
        data / "records.parquet",
    )
    package = packed().package
    predictor = Predictor.load(package)
    manifest = load_manifest(str(data))
    figures = predict(
        predictor=predictor, data_uri=str(data), manifest=manifest, out=root / "local.parquet"
    )
    return root, predictor, manifest, figures


def predict_plan(answers, shards, chunk=BLOCK):
    root, predictor, manifest, _ = answers
    return PredictPlan(
        package=Ref(uri=str(predictor.path), digest=check_package(predictor.path)),
        kinds=predictor.kinds,
        data=Ref(uri=str(root / "data"), digest="d" * 64),
        manifest=manifest,
        shards=shards,
        chunk=chunk,
    )


@pytest.mark.parametrize(("shards", "chunk"), [(1, 2048), (3, 64)])
def test_answers_of_all_parts_are_the_file_that_one_process_writes(
    answers, tmp_path, shards, chunk
):
    root, predictor, _, figures = answers
    exchange = Exchange(str(tmp_path / "exchange"))
    plan = predict_plan(answers, shards, chunk)
    spec = plan.cut(exchange, tmp_path / "scratch")
    assert spec.digest() == plan.digest()
    run_all(spec, exchange, tmp_path)
    chunks = accounted(spec, results(exchange, JOB, {}, tmp_path / "scratch"))
    files = folders(exchange, JOB, chunks, tmp_path / "scratch")
    out = tmp_path / "joined.parquet"
    assert join_answers(target=predictor.target, chunks=files, count=spec.rows, out=out) == figures
    assert digest_file(out) == digest_file(root / "local.parquet")


def test_answers_are_those_of_the_predictor(answers):
    root, predictor, _, _ = answers
    found = pq.read_table(root / "local.parquet").to_pylist()
    source = synthetic.records()
    for row in (0, 1, 100, 239):
        (wanted,) = predictor.predict([source.raw(row)])
        assert found[row]["id"] == source.ids[row]
        assert found[row]["label"] == wanted.label
        assert found[row]["modalities"] == list(wanted.modalities)
        assert found[row]["confidence"] == pytest.approx(wanted.confidence, abs=1e-6)
        for name, share in wanted.probabilities.items():
            assert found[row][f"probability_{name}"] == pytest.approx(share, abs=1e-6)
        assert found[row]["reason"] is None


def test_a_record_without_a_usable_modality_has_no_label_but_a_reason(answers):
    root, _, _, figures = answers
    found = pq.read_table(root / "local.parquet").to_pylist()
    assert (figures.records, figures.answered) == (240, 238)
    for row, said in ((3, "none of its modalities"), (200, "images/gone.png")):
        assert found[row]["label"] is None
        assert found[row]["confidence"] is None
        assert found[row]["probability_circle"] is None
        assert found[row]["modalities"] == []
        assert said in found[row]["reason"]
    assert found[70]["label"] is not None
    assert "image" not in found[70]["modalities"]
    assert "image" in found[70]["reason"]
