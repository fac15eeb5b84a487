"""Training handed to a cluster and back: a small API server, and pods that are mere calls."""

import threading
from pathlib import Path

import pytest

from components.config.trainer import KubernetesTrainer, LocalTrainer
from components.core.refs import digest_folder
from components.exchange.exchange import JOBS, Exchange
from components.pods.entry import perform
from components.pods.pod import Pod, Stop
from flows.places.trainer import train
from infra import failures
from tests.components.pods.pods import train_spec
from tests.infra.fake_api import NAMESPACE, serving
from tests.synthetic import records, write_features


@pytest.fixture(scope="module")
def spec(tmp_path_factory):
    folder = tmp_path_factory.mktemp("features") / "features"
    write_features(folder, records(120, labelled=0.5))
    return train_spec(folder, training={"epochs": 2})


@pytest.fixture
def api(tmp_path, monkeypatch):
    with serving(tmp_path, monkeypatch) as api:
        yield api


@pytest.fixture
def kubelet(api):
    """Runs each new Job as one pod."""
    stop = threading.Event()

    def run():
        done = set()
        while not stop.wait(0.05):
            for name, job in list(api.objects["jobs"].items()):
                if job["metadata"]["uid"] not in done:
                    done.add(job["metadata"]["uid"])
                    as_pod(api, name, job)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    yield
    stop.set()
    thread.join(30)


def as_pod(api, name, job, *, train=True):
    """The pod of a Job: runs the Job's command under its own UID."""
    command = job["spec"]["template"]["spec"]["containers"][0]["command"]
    options = dict(zip(command[3::2], command[4::2], strict=True))
    pod = {
        "metadata": {
            "labels": {"concord/job": name},
            "ownerReferences": [{"uid": job["metadata"]["uid"]}],
        },
        "spec": {"nodeName": "node-1", "containers": [{"name": "train"}]},
        "status": {
            "phase": "Running",
            "containerStatuses": [{"name": "train", "state": {"running": {}}}],
        },
    }
    api.logs["pod"] = ['2026-01-01T00:00:00.000000001Z {"step": 1, "total": 4, "what": "student"}']
    api.put("pods", "pod", pod)
    if not train:
        return
    cache = Path(options["--out"]).parents[1] / "cache"
    perform(options["--config"], options["--out"], Pod(token="uid-pod", cache=cache), Stop())  # noqa: S106
    ended = {"terminated": {"exitCode": 0, "reason": "Completed"}}
    api.put(
        "pods",
        "pod",
        pod
        | {
            "status": {
                "phase": "Succeeded",
                "containerStatuses": [{"name": "train", "state": ended}],
            }
        },
    )
    api.condition(name, "Complete")


class Run:
    """A run's training step."""

    def __init__(self, folder, spec, say=None):
        self.exchange, self.out = folder / "exchange", folder / "out"
        self.exchange.mkdir(exist_ok=True)
        self.out.mkdir()
        self.said, self.steps = [], []
        volume = {"name": "exchange", "mount": str(self.exchange), "claim": "exchange"}
        config = KubernetesTrainer.model_validate(
            {
                "where": "kubernetes",
                "image": "i",
                "namespace": NAMESPACE,
                "exchange": {"uri": str(self.exchange)},
                "volumes": [volume],
                "grace_period_s": 1,
            }
        )
        self.call = lambda: train(
            spec,
            out=self.out,
            checkpoints=folder / "state",
            progress=lambda what, done, total: self.steps.append((what, done, total)),
            trainer=config,
            run="r",
            say=say or self.said.append,
        )

    @property
    def jobs(self):
        return Exchange(str(self.exchange)).names(JOBS)


@pytest.mark.usefixtures("kubelet")
def test_the_result_is_the_one_of_a_training_here_and_nothing_is_left_but_the_objects(
    api, spec, tmp_path
):
    run = Run(tmp_path, spec)
    clean = run.call()
    (tmp_path / "here").mkdir()
    train(
        spec,
        out=tmp_path / "here",
        checkpoints=tmp_path / "checkpoints",
        progress=lambda *_: None,
        trainer=LocalTrainer(),
        run="r",
        say=run.said.append,
    )
    assert digest_folder(run.out) == digest_folder(tmp_path / "here")
    assert ("student", 1, 4) in run.steps
    assert run.jobs, "kept until the result is stored"
    clean()
    assert not run.jobs
    assert not api.objects["jobs"]
    assert Exchange(str(run.exchange)).names("objects")


class Local:
    """Training steps of runs in this process, which share the state folder."""

    def __init__(self, folder):
        self.folder, self.checkpoints = folder, folder / "checkpoints"
        self.count = 0

    def train(self, spec, stop_at=None):
        """Return steps done, output and clean-up; a stop leaves the same state as a kill."""
        self.count += 1
        out, steps = self.folder / f"out-{self.count}", []
        out.mkdir()

        def progress(_what, step, _total):
            steps.append(step)
            if step == stop_at:
                raise KeyboardInterrupt

        try:
            clean = train(
                spec,
                out=out,
                checkpoints=self.checkpoints,
                progress=progress,
                trainer=LocalTrainer(),
                run="r",
                say=print,
            )
        except KeyboardInterrupt:
            clean = None
        return steps, out, clean


@pytest.fixture
def of_step(spec):
    """A task of four steps, each an epoch."""
    training = spec.training.model_copy(update={"epochs": 4, "batch_size": 128})
    return spec.model_copy(update={"step": "1" * 64, "training": training})


def test_an_interrupted_training_step_resumes(of_step, tmp_path):
    runs = Local(tmp_path)
    (one, *_), (two, *_) = runs.train(of_step, stop_at=3), runs.train(of_step)
    assert (one, two) == ([1, 2, 3], [3, 4])


def test_no_other_step_key_resumes_or_overwrites_a_checkpoint(of_step, tmp_path):
    """Another step version, other libraries or another configuration give another key."""
    runs = Local(tmp_path)
    runs.train(of_step, stop_at=3)
    other, *_ = runs.train(of_step.model_copy(update={"step": "2" * 64}), stop_at=3)
    assert other == [1, 2, 3]
    resumed, *_ = runs.train(of_step)
    assert resumed == [3, 4]


def test_a_finished_training_step_keeps_its_checkpoint_until_the_result_is_stored(
    of_step, tmp_path
):
    runs = Local(tmp_path)
    first, wanted, _ = runs.train(of_step)  # and killed before it stored the result
    again, found, clean = runs.train(of_step)
    assert (len(first), again) == (4, [])
    assert digest_folder(found) == digest_folder(wanted)
    clean()
    assert not list(runs.checkpoints.rglob("*"))


@pytest.mark.usefixtures("kubelet")
def test_a_result_whose_job_is_gone_is_taken_without_a_second_job(api, spec, tmp_path):
    Run(tmp_path, spec).call()  # and killed before it stored anything
    api.delete("jobs", next(iter(api.objects["jobs"])))
    (tmp_path / "out").rename(tmp_path / "lost")
    again = Run(tmp_path, spec)
    again.call()
    assert digest_folder(again.out) == digest_folder(tmp_path / "lost")
    assert not api.objects["jobs"]


def test_who_interrupts_takes_the_job_along(api, spec, tmp_path):
    def say(words):
        if words.startswith("submitted"):
            name, job = next(iter(api.objects["jobs"].items()))
            as_pod(api, name, job, train=False)
        if "running on" in words:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        Run(tmp_path, spec, say).call()
    assert not api.objects["jobs"]
    assert not api.objects["pods"]


def test_a_job_that_failed_says_why_and_stays_for_whoever_looks(api, spec, tmp_path):
    def say(words):
        if words.startswith("submitted"):
            api.condition(next(iter(api.objects["jobs"])), "Failed", reason="DeadlineExceeded")

    with pytest.raises(failures.TimeBudgetExceeded):
        Run(tmp_path, spec, say).call()
    assert api.objects["jobs"]
