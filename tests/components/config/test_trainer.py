"""The trainer block: all errors are reported at once, and no step key depends on it."""

import subprocess
import sys

import pytest
import yaml

from components.config.run import RunConfig, load
from components.config.trainer import KubernetesTrainer, LocalTrainer
from components.core.errors import UsageError
from components.core.refs import Ref
from components.core.yaml_file import parse_yaml
from components.data.manifest import FILE, parse
from flows.steps.step import key
from flows.steps.table import steps_for
from tests import tiny

CLUSTER = {
    "where": "kubernetes",
    "image": "concord/train:1",
    "exchange": {"uri": "/mnt/x/exchange", "pod_uri": "/exchange/runs"},
    "volumes": [{"name": "exchange", "mount": "/exchange", "claim": "exchange"}],
}


def write(folder, trainer):
    path = folder / "run.yaml"
    path.write_text(yaml.safe_dump({"name": "x", "data": {"uri": "data"}, "trainer": trainer}))
    return path


def mistakes(folder, **changes):
    with pytest.raises(UsageError) as caught:
        load(write(folder, CLUSTER | changes))
    return [line.removeprefix("  - ") for line in str(caught.value).splitlines()[1:]]


def test_the_default_is_local(tmp_path):
    path = tmp_path / "run.yaml"
    path.write_text("name: x\ndata: {uri: data}\n")
    assert load(path).trainer == LocalTrainer()


def test_a_complete_block_survives_a_round_trip(tmp_path):
    config = load(
        write(
            tmp_path, CLUSTER | {"gpus": 2, "nodes": 3, "min_nodes": 1, "spot": True, "queue": "q"}
        )
    )
    assert isinstance(config.trainer, KubernetesTrainer)
    assert RunConfig.model_validate_json(config.model_dump_json()) == config
    assert config.trainer.needs_cuda
    assert config.trainer.processes == 2


def test_a_relative_exchange_is_seen_from_the_file(tmp_path):
    config = load(
        write(tmp_path, CLUSTER | {"exchange": {"uri": "shared", "pod_uri": "/exchange"}})
    )
    assert isinstance(config.trainer, KubernetesTrainer)
    assert config.trainer.exchange.uri == str(tmp_path / "shared")


def test_wrong_keys_and_types_are_all_named_with_the_path_the_user_wrote(tmp_path):
    found = mistakes(
        tmp_path,
        gpu=1,
        cpu="two",
        exchange={"ury": "s3://b"},
        tolerations=[{"key": "a", "efect": "NoSchedule"}],
    )
    assert [line.split(":")[0] for line in found] == [
        "trainer.exchange.uri", "trainer.exchange.ury", "trainer.cpu",
        "trainer.tolerations.0.efect", "trainer.gpu",
    ]  # fmt: skip
    assert "did you mean 'gpus'?" in found[-1]
    assert "did you mean 'effect'?" in found[-2]


def test_impossible_combinations_are_all_named(tmp_path):
    found = mistakes(
        tmp_path,
        min_nodes=2,
        device="cuda",
        grace_period_s=60,
        time_budget_s=30,
        env={"CONCORD_CODE": "x"},
    )
    assert [line.split(":")[0] for line in found] == [
        "trainer.min_nodes", "trainer.gpus", "trainer.grace_period_s", "trainer.env.CONCORD_CODE",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("changes", "where", "what"),
    [
        ({"where": "kubernetis"}, "trainer.where", "did you mean 'kubernetes'?"),
        ({"gpu_product": "H100"}, "trainer.gpu_product", "set gpus"),
        ({"checkpoint_steps": 0}, "trainer.checkpoint_steps", "greater than or equal to 1"),
        ({"memory": "4 GB"}, "trainer.memory", "'4 GB'"),
        ({"env": {"AWS_SECRET_ACCESS_KEY": "x"}}, "trainer.env.AWS_SECRET_ACCESS_KEY", "`secrets`"),
        (
            {"exchange": {"uri": "/elsewhere"}},
            "trainer.exchange.uri",
            "no volume is mounted at or above /elsewhere",
        ),
        ({"exchange": {"uri": "shared"}}, "trainer.exchange.uri", "give pod_uri"),
        ({"exchange": {"uri": "gs://b/p"}}, "trainer.exchange.uri", "s3://bucket/prefix"),
        (
            {"volumes": [{"name": "exchange", "mount": "/exchange", "empty_dir": "1Gi"}]},
            "trainer.exchange.pod_uri",
            "lost",
        ),
        (
            {"volumes": [{"name": "a", "mount": "/exchange", "claim": "a", "host_path": "/a"}]},
            "trainer.volumes.0",
            "wanted one",
        ),
        ({"volumes": [{"name": "a", "mount": "/exchange"}]}, "trainer.volumes.0", "no source"),
        (
            {"volumes": [{"name": "a", "mount": "/cache", "claim": "a"}]},
            "trainer.volumes.0",
            "Concord's own",
        ),
        (
            {"tolerations": [{"operator": "Exists", "value": "x"}]},
            "trainer.tolerations.0",
            "takes no value",
        ),
    ],
)
def test_one_mistake(tmp_path, changes, where, what):
    found = mistakes(tmp_path, **changes)
    assert found[0].startswith(f"{where}: ")
    assert what in found[0]


def test_an_exchange_in_s3_needs_no_volume(tmp_path):
    config = load(
        write(tmp_path, CLUSTER | {"exchange": {"uri": "s3://bucket/prefix"}, "volumes": []})
    )
    assert isinstance(config.trainer, KubernetesTrainer)


def test_no_key_of_a_step_depends_on_where_training_runs(tmp_path):
    local = load(write(tmp_path, {"where": "local"}))
    cluster = load(write(tmp_path, CLUSTER | {"gpus": 8, "nodes": 4}))
    manifest = parse(parse_yaml(tiny.MANIFEST, FILE).tree)
    tables = [steps_for(config, manifest) for config in (local, cluster)]
    for here, there in zip(*tables, strict=True):
        inputs = {name: Ref(uri=f"/{name}", digest=name) for name in here.inputs}
        assert key(here, inputs, tmp_path) == key(there, inputs, tmp_path), here.name


def test_parsing_imports_no_kubernetes():
    code = (
        "import sys, components.config.run; "
        "assert not [m for m in sys.modules if m.startswith('kubernetes')]"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
