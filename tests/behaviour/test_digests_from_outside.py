"""What others can write is compared with a digest from elsewhere, not with the list beside it.

Every test changes content and list together, so that the list alone finds nothing.
"""

import json
import shutil
from pathlib import Path
from types import SimpleNamespace

import fsspec
import pytest

from components.config.home import Home
from components.core.errors import UserError
from components.core.files import read_json, write_json
from components.core.refs import Ref, digest_file, digest_folder
from components.exchange.errors import ExchangeError
from components.exchange.exchange import Exchange
from components.pods import handover
from components.pods.entry import perform
from components.pods.pod import Pod
from components.prediction.format import check_package
from components.prediction.predictor import Predictor
from components.registry.mlflow_pyfunc import PyfuncModel
from components.registry.promotion import Promotion
from components.registry.versions import RegisteredVersion
from components.shards.accounting import folders
from components.shards.spec import Part, ShardSpec
from components.shards.work import Chunk, chunk_job
from components.training.spec import TrainSpec
from flows.places.shards import _InParts
from serving.bentos import bento_of
from serving.start import package as served

PACKAGE = Path(__file__).parents[1] / "components/registry/registered_6fc2a22/model/package"
DIGEST = digest_folder(PACKAGE)
EVIL = "raise SystemExit('code of somebody else was run')\n"


@pytest.fixture
def forged(tmp_path):
    """The package with another answer table, and with a list that says so."""
    copy = Path(shutil.copytree(PACKAGE, tmp_path / "forged"))
    calibration = read_json(copy / "calibration.json")
    write_json(copy / "calibration.json", {key: 9.0 for key in calibration})
    listed = read_json(copy / "files.json")
    listed["files"]["calibration.json"] = digest_file(copy / "calibration.json")
    write_json(copy / "files.json", listed)
    check_package(copy)  # by its own list all is well
    return copy


def version(package):
    return RegisteredVersion(model="m", version=1, package_digest=DIGEST, package=package)


def with_environment(package, monkeypatch):
    monkeypatch.setenv("CONCORD_PACKAGE_DIGEST", DIGEST)
    PyfuncModel(package)


READERS = {
    "classify, evaluate, gate": lambda folder, home, _: Promotion(home, "m").package_of(
        version(folder)
    ),
    "predictor": lambda folder, *_: Predictor.load(folder, digest=DIGEST),
    "predictor that reads no file": lambda folder, *_: Predictor.load(folder, False, DIGEST),
    "serving pod, folder": lambda folder, home, _: served(str(folder), DIGEST, home.root),
    "MLflow's pyfunc": lambda folder, _, monkeypatch: with_environment(folder, monkeypatch),
}


@pytest.mark.parametrize("reader", READERS)
def test_a_package_is_the_one_of_the_ledger(reader, forged, tmp_path, monkeypatch):
    home = Home(root=tmp_path)
    READERS[reader](PACKAGE, home, monkeypatch)
    with pytest.raises(UserError, match=f"wanted {DIGEST[:12]}"):
        READERS[reader](forged, home, monkeypatch)


def test_a_bento_holds_the_package_of_the_ledger(forged, tmp_path):
    home = Home(root=tmp_path)
    bento = bento_of(home, version(PACKAGE))
    built = (bento / "bento.yaml").stat().st_mtime_ns
    assert bento_of(home, version(PACKAGE)) == bento
    assert (bento / "bento.yaml").stat().st_mtime_ns == built
    shutil.copytree(forged, bento / "src" / "package", dirs_exist_ok=True)
    with pytest.raises(UserError, match=f"wanted {DIGEST[:12]} as in the ledger; delete"):
        bento_of(home, version(PACKAGE))


def test_a_package_at_a_uri_is_served_by_digest_only(forged, tmp_path):
    fsspec.filesystem("memory").put(f"{forged}/", "/forged/", recursive=True)
    with pytest.raises(UserError, match=r"CONCORD_PACKAGE_DIGEST must say which"):
        served("memory://forged", None, tmp_path / "a")
    with pytest.raises(UserError, match=f"wanted {DIGEST[:12]}"):
        served("memory://forged", DIGEST, tmp_path / "b")


@pytest.fixture
def exchange(tmp_path):
    (tmp_path / "exchange").mkdir()
    return Exchange(str(tmp_path / "exchange"))


@pytest.fixture
def inputs(tmp_path):
    """A features folder with the user's own code, and one more own file beside the run."""
    folder = tmp_path / "features"
    (folder / "parts").mkdir(parents=True)
    (folder / "parts" / "kind.py").write_text("mine\n")
    (tmp_path / "loss.py").write_text("also mine\n")
    return Ref(uri=str(folder), digest=digest_folder(folder))


def spec_of(inputs, tmp_path):
    return TrainSpec(
        task="train", step="5" * 64, features=inputs, losses={"./loss.py": {}}, base=str(tmp_path)
    )


def result(folder, *codes):
    (folder / "parts").mkdir(parents=True)
    (folder / "weights.safetensors").write_bytes(b"w")
    for number, code in enumerate(codes):
        (folder / "parts" / f"{number}.py").write_text(code)
    return folder


def test_a_result_brings_back_no_code_but_the_runs_own(exchange, inputs, tmp_path):
    code = handover.code(spec_of(inputs, tmp_path))
    exchange.put_attempt("job", "ours", result(tmp_path / "a", "mine\n", "also mine\n"), {})
    exchange.fetch_attempt("job", "ours", tmp_path / "ours", code)
    exchange.put_attempt("job", "theirs", result(tmp_path / "b", "mine\n", EVIL), {})
    with pytest.raises(ExchangeError, match=r"code that this run did not hand over: parts/1\.py"):
        exchange.fetch_attempt("job", "theirs", tmp_path / "theirs", code)
    assert not list((tmp_path / "theirs").iterdir())


def test_a_part_of_a_data_set_brings_back_no_code_but_the_runs_own(exchange, tmp_path):
    folder = result(tmp_path / "a", EVIL)
    exchange.put_attempt(chunk_job("job", 0), "0-x", folder, {})
    chunks = [(0, Chunk(start=0, stop=1, token=f"{0}-x", digest=digest_folder(folder)))]
    with pytest.raises(ExchangeError, match=r"code that this run did not hand over"):
        next(folders(exchange, "job", chunks, tmp_path / "scratch"))


def _other(spec, field):
    """The spec as somebody else would write it into the exchange."""
    forged = {
        "features": {"uri": spec["features"]["uri"], "digest": "0" * 64},
        "parts": {"uri": spec["features"]["uri"], "digest": "0" * 64},
        "losses": {"./other.py": {}},
        "training": {**spec["training"], "learning_rate": 0.5},
    }
    return {**spec, field: forged[field]}


@pytest.mark.parametrize("field", ["features", "parts", "losses", "training"])
def test_a_pod_does_what_was_submitted(field, exchange, inputs, tmp_path):
    seal = handover.prepare(spec_of(inputs, tmp_path), exchange, "job").seal()
    spec = exchange.read_json("jobs/job/spec.json")
    assert TrainSpec.model_validate_json(json.dumps(spec)).seal() == seal
    exchange.write_json("jobs/job/spec.json", _other(spec, field))
    job = f"{exchange.uri}/jobs/job"
    pod = Pod(token=field, cache=tmp_path / "cache")
    with pytest.raises(UserError, match="is not the one that was submitted"):
        perform(f"{job}/spec.json", job, pod, lambda: False, seal)
    assert not (tmp_path / "cache").exists()


def test_another_device_keeps_the_seal(inputs, tmp_path):
    """A second run with another device finds the Job of the first."""
    spec = spec_of(inputs, tmp_path)
    other = spec.training.model_copy(update={"device": "cpu", "checkpoint_every": 5})
    assert spec.model_copy(update={"training": other}).seal() == spec.seal()


def test_parts_that_somebody_else_cut_are_cut_again(exchange, tmp_path):
    ours = ShardSpec(
        task="encode", source={}, rows=1, parts=[Part(start=0, stop=1, records="1" * 64)]
    )
    cuts = []
    plan = SimpleNamespace(digest=ours.digest, cut=lambda *_: cuts.append(1) or ours)
    (tmp_path / "objects").mkdir()
    exchange.write(f"objects/{'1' * 64}.json", b"{}")
    exchange.write(f"objects/{'2' * 64}.json", b"{}")
    parts = _InParts(
        plan=plan, scratch=tmp_path, progress=lambda *_: None, say=print, parts=1, rows=1
    )
    assert parts.prepare(exchange, "job") == parts.prepare(exchange, "job") == ours.seal()
    assert len(cuts) == 1
    theirs = json.loads(exchange.read("jobs/job/spec.json"))
    theirs["parts"][0]["records"] = "2" * 64
    assert ShardSpec.model_validate(theirs).digest() == ours.digest()
    exchange.write_json("jobs/job/spec.json", theirs)
    assert parts.prepare(exchange, "job") == ours.seal()
    assert len(cuts) == 2
    assert ShardSpec.model_validate(exchange.read_json("jobs/job/spec.json")) == ours
