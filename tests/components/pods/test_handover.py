import pytest

from components.config.run import ModelConfig, Part
from components.core.errors import UsageError
from components.core.refs import Ref
from components.exchange.errors import Incomplete
from components.exchange.exchange import Exchange
from components.pods.handover import complete, opened, prepare, work_digest
from components.training.spec import TrainSpec
from tests.components.pods.pods import train_spec


@pytest.fixture
def features(tmp_path):
    (tmp_path / "features").mkdir()
    (tmp_path / "features" / "x").write_text("x")
    return tmp_path / "features"


@pytest.fixture
def exchange(tmp_path):
    (tmp_path / "exchange").mkdir()
    return Exchange(str(tmp_path / "exchange"), waits=())


def own(features, tmp_path, name="./parts/my_loss.py", source="one"):
    path = tmp_path / "conf" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(source)
    fusion = ModelConfig(fusion=Part(name="my_fusion.py"))
    (tmp_path / "conf" / "my_fusion.py").write_text("fusion")
    spec = train_spec(features, losses={name: {}, "info_nce": {}}, base=str(tmp_path / "conf"))
    return spec.model_copy(update={"model": fusion})


def test_a_job_names_its_inputs_where_pods_find_them(features, exchange, tmp_path):
    spec = train_spec(features)
    prepare(spec, exchange, "job", pod_uri="/mnt/exchange/")
    found = TrainSpec.model_validate_json(
        (tmp_path / "exchange" / "jobs" / "job" / "spec.json").read_text()
    )
    assert found.features == Ref(
        uri=f"/mnt/exchange/objects/{spec.features.digest}", digest=spec.features.digest
    )
    assert found.parts is None
    assert found.digest() == spec.digest()


def test_a_users_own_parts_travel_alone_and_shape_the_work(features, exchange, tmp_path):
    spec = own(features, tmp_path)
    (tmp_path / "conf" / "secret.txt").write_text("not asked for")
    moved = prepare(spec, exchange, "job")
    folder = exchange.fetch(moved.parts, moved.parts.digest, tmp_path / "cache")
    assert sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*.*")) == [
        "my_fusion.py",
        "parts/my_loss.py",
    ]
    assert moved.base is None
    assert moved.digest() == spec.digest()
    before = work_digest(spec)
    assert work_digest(own(features, tmp_path, source="two")) != before
    assert work_digest(own(features, tmp_path)) == before


@pytest.mark.parametrize("name", ["../my_loss.py", "/my_loss.py"])
def test_parts_outside_the_configs_folder_are_refused(features, exchange, tmp_path, name):
    spec = own(features, tmp_path).model_copy(update={"losses": {name: {}}})
    with pytest.raises(UsageError, match="leaves the folder"):
        prepare(spec, exchange, "job")
    assert exchange.names("jobs") == []


def test_a_complete_attempt_is_a_preferred_one_else_any(features, exchange):
    with pytest.raises(Incomplete, match="no attempt"):
        complete(exchange, "job")
    for token in ("one", "other", "third"):
        exchange.put_attempt("job", token, features, {})
    assert complete(exchange, "job") == "one"
    assert complete(exchange, "job", ["lost", "third", "other"]) == "third"
    assert complete(exchange, "job", ["lost"]) == "one"


@pytest.mark.parametrize("out", ["/exchange/jobs", "/exchange/jobs/a/b", "elsewhere", "/jobs/a"])
def test_what_is_no_job_is_refused(out):
    with pytest.raises(UsageError, match="wanted EXCHANGE/jobs/JOB"):
        opened(out)
