"""The configurations that come with Concord."""

from pathlib import Path

import pytest

from components.config import run as config

CONF = Path(__file__).parents[3] / "conf"


@pytest.mark.parametrize(
    "path",
    sorted(p for p in CONF.glob("*.yaml") if not p.name.endswith(".dataset.yaml")),
    ids=lambda p: p.name,
)
def test_it_is_valid(path):
    assert config.load(path).name


def test_the_cluster_differs_from_the_demo_in_its_trainer_alone():
    demo, cluster = config.load(CONF / "demo.yaml"), config.load(CONF / "cluster.yaml")
    assert cluster.trainer != demo.trainer
    assert cluster.model_copy(update={"trainer": demo.trainer}) == demo
