"""Tasks in parts as the flow runs them; a fake cluster runs the indexes in this process."""

from dataclasses import dataclass, field
from pathlib import Path

import pytest

from components.config.run import load
from components.config.trainer import KubernetesTrainer
from components.core.errors import UserError
from components.core.refs import Ref, digest_folder
from components.core.yaml_file import parse_yaml
from components.data.manifest import FILE, parse
from components.exchange.exchange import Exchange
from components.prediction.block import BLOCK
from components.shards.plan import EncodePlan
from components.shards.spec import ShardSpec
from components.shards.work import run_index
from flows.places import jobs
from flows.places.encoder import encode
from flows.steps.step import key, named
from flows.steps.table import steps_for
from infra.watching import Outcome
from tests import synthetic, tiny
from tests.components.features.test_features import run as encode_whole
from tests.components.features.test_features import write_accepted

RECORDS = 200


@dataclass
class Here:
    """A cluster whose Jobs run in this process.

    Attributes:
        lost: indexes that never write a result.
        dies: whether the flow is killed while its Job runs.
        jobs: names of the Jobs that there are.
    """

    exchange: Exchange
    place: Path
    lost: set[int] = field(default_factory=set)
    dies: bool = False
    jobs: dict[str, str] = field(default_factory=dict)
    submitted: list[str] = field(default_factory=list)

    def __call__(self, config, *, say):
        self.config, self.say = config, say
        return self

    def exists(self, name):
        return name in self.jobs

    def submit(self, work, *, usable):
        if attached := self.exists(work.name) and usable(None):
            return self.jobs[work.name], attached
        self.submitted.append(work.name)
        self.parts = work.parts
        self.jobs[work.name] = work.config
        return work.config, False

    def watch(self, name, uid, *, take):
        if self.dies:
            raise KeyboardInterrupt
        spec = ShardSpec.model_validate(self.exchange.read_json(f"jobs/{name}/spec.json"))
        assert uid == f"/inside/jobs/{name}/spec.json"
        assert (self.parts, self.config.nodes) == (len(spec.parts), 1)
        for index in set(range(len(spec.parts))) - self.lost:
            cache = self.place / f"cache{index}"
            run_index(spec, index, exchange=self.exchange, job=name, attempt="pod", cache=cache)
            take(f'[{index}] {{"step": {64 + index}, "total": 99, "what": "part {index}"}}')
        take("[0] a line")
        return Outcome(name=name, uid=uid, attempts={"pod": 0})

    def cancel(self, name, uid=None, *, wait=True):  # noqa: ARG002
        self.jobs.pop(name, None)


@pytest.fixture(scope="module")
def accepted(tmp_path_factory):
    root = tmp_path_factory.mktemp("data")
    write_accepted(root / "accepted", synthetic.records(RECORDS))
    encode_whole(root / "accepted", root / "cache", root / "features")
    return root


@pytest.fixture
def cluster(tmp_path, monkeypatch):
    (tmp_path / "exchange").mkdir()
    here = Here(Exchange(str(tmp_path / "exchange")), tmp_path)
    monkeypatch.setattr(jobs, "Cluster", here)
    monkeypatch.setattr("flows.places.jobs._SEEN_S", 0.0)
    return here


def trainer(tmp_path, parts):
    return KubernetesTrainer.model_validate(
        {
            "where": "kubernetes",
            "image": "concord/train",
            "exchange": {"uri": str(tmp_path / "exchange"), "pod_uri": "/inside"},
            "volumes": [{"name": "exchange", "mount": "/inside", "claim": "exchange"}],
            "nodes": 2,
            "shards": parts,
        }
    )


def run(accepted, tmp_path, out, parts=3, said=None, progress=lambda *_: None):
    (tmp_path / out).mkdir()
    given = Ref(uri=str(accepted / "accepted"), digest=digest_folder(accepted / "accepted"))
    return encode(
        accepted=given,
        data=given,
        modalities=synthetic.OPTIONS,
        step="a" * 64,
        cache=tmp_path / "state",
        out=tmp_path / out,
        base=tmp_path,
        progress=progress,
        trainer=trainer(tmp_path, parts),
        run="test",
        say=(said if said is not None else []).append,
    )


def test_the_step_gives_the_same_folder_in_parts_and_leaves_nothing_behind(
    accepted, cluster, tmp_path
):
    said, moved = [], []
    clean = run(accepted, tmp_path, "out", said=said, progress=lambda *told: moved.append(told))
    assert digest_folder(tmp_path / "out") == digest_folder(accepted / "features")
    assert said[0].startswith("submitted Job concord-encode-")
    assert said[0].endswith("of 3 parts in namespace default")
    assert "[0] a line" in said
    assert ("encode", 64 + 65 + 66, RECORDS) in moved
    clean()
    assert cluster.jobs == {}
    assert cluster.exchange.names("jobs") == []


def test_one_shard_stays_here(accepted, cluster, tmp_path):
    assert run(accepted, tmp_path, "out", parts=1) is None
    assert cluster.submitted == []
    assert digest_folder(tmp_path / "out") == digest_folder(accepted / "features")


def test_more_shards_than_blocks_of_rows_are_fewer_parts(accepted, cluster, tmp_path):
    run(accepted, tmp_path, "out", parts=100)
    assert cluster.parts == -(-RECORDS // BLOCK)


def test_a_part_without_a_result_is_named_and_the_next_run_does_only_that_one(
    accepted, cluster, tmp_path, monkeypatch
):
    cluster.lost = {1}
    with pytest.raises(UserError, match=r"part 1 \(rows 128 to 191\) is missing"):
        run(accepted, tmp_path, "out")
    cluster.lost = set()
    monkeypatch.setattr(EncodePlan, "cut", lambda *_: pytest.fail("it was cut before"))
    run(accepted, tmp_path, "again")
    assert len(set(cluster.submitted)) == 1
    assert digest_folder(tmp_path / "again") == digest_folder(accepted / "features")
    resumed = {
        a.about["index"]: a.about["resumed"]
        for a in cluster.exchange.attempts(cluster.submitted[0])
    }
    assert resumed == {0: 1, 1: 0, 2: 1}


def test_whole_parts_of_a_job_that_is_gone_are_used(accepted, cluster, tmp_path):
    run(accepted, tmp_path, "out")
    cluster.jobs.clear()
    said = []
    run(accepted, tmp_path, "again", said=said)
    assert len(cluster.submitted) == 1
    assert "no longer exists; its result is in the exchange" in said[0]


def test_who_interrupts_cancels_the_job(accepted, cluster, tmp_path):
    cluster.dies = True
    with pytest.raises(KeyboardInterrupt):
        run(accepted, tmp_path, "out")
    assert cluster.jobs == {}


def test_wrong_options_are_told_before_anything_is_submitted(accepted, cluster, tmp_path):
    given = Ref(uri=str(accepted / "accepted"), digest="0" * 64)
    with pytest.raises(UserError, match="did you mean 'image'"):
        encode(
            accepted=given,
            data=given,
            modalities={"imaeg": {}},
            step="a" * 64,
            cache=tmp_path,
            out=tmp_path,
            base=tmp_path,
            progress=lambda *_: None,
            trainer=trainer(tmp_path, 2),
            run="test",
            say=print,
        )
    assert cluster.submitted == []


def test_the_key_of_encode_does_not_know_where_or_in_how_many_parts(tmp_path):
    here = load(tiny.config(tmp_path, tmp_path))
    manifest = parse(parse_yaml(tiny.MANIFEST, FILE).tree)
    keys = set()
    for where in (here.trainer, trainer(tmp_path, 2), trainer(tmp_path, 7)):
        config = here.model_copy(update={"trainer": where})
        step = named(steps_for(config, manifest), "encode")
        inputs = {name: Ref(uri="", digest=name) for name in step.inputs}
        keys.add(key(step, inputs, tmp_path).digest())
    assert len(keys) == 1
