import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from components import model as models
from components.config import ModelConfig, Part, TrainingConfig
from components.errors import UsageError, UserError
from components.pseudo import pseudo_label
from components.refs import Ref, digest_folder, read_json
from components.training.entry import main, run
from components.training.spec import TrainSpec
from tests.synthetic import CLASSES, records, write_features

ROOT = Path(__file__).parents[3]
ENGINES = ["prefect", "mlflow", "bentoml", "great_expectations", "dvc"]


def ref(path):
    return Ref(uri=str(path), digest=digest_folder(path))


@pytest.fixture(scope="module")
def places(tmp_path_factory):
    """Features, a teacher and its pseudo-labels."""
    home = tmp_path_factory.mktemp("run")
    write_features(home / "features", records(300, labelled=0.3))
    (home / "teacher").mkdir()
    run(spec(home), out=home / "teacher")
    (home / "pseudo").mkdir()
    labeller = Part.model_validate({"name": "fixed", "threshold": 0.6})
    pseudo_label(features=home / "features", teacher=home / "teacher", labeller=labeller, base=None, out=home / "pseudo")
    return home


def spec(home, task="teach", **more):
    return TrainSpec(
        task=task,
        features=ref(home / "features"),
        model=ModelConfig(dim=16, fusion=Part(name="gated")),
        losses={"cross_entropy": {}, "info_nce": {"weight": 0.1}},
        training=TrainingConfig(batch_size=32, epochs=6, teacher_epochs=6, learning_rate=4e-3, device="cpu"),
        **more,
    )


def student_spec(home, **more):
    return spec(home, "train", teacher=ref(home / "teacher"), pseudo=ref(home / "pseudo"), **more)


def done(out, given, **more):
    out.mkdir()
    run(given, out=out, **more)
    return out


def test_a_spec_survives_json_and_its_digest_knows_contents_not_places(places):
    given = student_spec(places)
    assert TrainSpec.model_validate_json(given.model_dump_json()) == given
    moved = given.model_copy(update={"features": Ref(uri="/elsewhere", digest=given.features.digest)})
    assert moved.digest() == given.digest()
    other = given.model_copy(update={"features": Ref(uri=given.features.uri, digest="0" * 64)})
    assert other.digest() != given.digest()


def test_teach_writes_a_model_that_answers_better_than_chance(places):
    history = read_json(places / "teacher" / "history.json")
    assert history["val_accuracy"] > 0.5
    assert len(history["epochs"]) == 6
    assert models.load(places / "teacher").names == ["facts", "image", "text"]


def test_the_same_spec_gives_the_same_bytes(places, tmp_path):
    done(tmp_path / "again", spec(places))
    assert digest_folder(tmp_path / "again") == digest_folder(places / "teacher")


def test_pseudo_labels_are_of_unlabelled_training_records(places):
    table = pq.read_table(places / "pseudo" / "pseudo.parquet")
    source = records(300, labelled=0.3)
    truth = dict(zip(source.ids, source.truth, strict=True))
    pool = [i for i, s, v in zip(source.ids, source.splits, source.label, strict=True) if s == "train" and v is None]
    assert table["id"].to_pylist() == pool
    right = [truth[i] == v for i, v in zip(pool, table["label"].to_pylist(), strict=True)]
    accepted = np.array(table["accepted"].to_pylist())
    assert np.mean(np.array(right)[accepted]) > np.mean(right)
    summary = read_json(places / "pseudo" / "summary.json")
    assert summary["accepted"] == accepted.sum() == sum(summary["by_class"].values())
    assert summary["accepted"] + summary["refused"] == len(pool)
    assert set(table["label"].to_pylist()) <= set(CLASSES)


def test_the_student_is_kept_only_if_it_beats_the_teacher(places, tmp_path):
    out = done(tmp_path / "train", student_spec(places))
    found = read_json(out / "selection.json")
    better = found["student"]["val_accuracy"] > found["teacher"]["val_accuracy"]
    assert found["kept"] == ("student" if better else "teacher")
    chosen = out / "student" if better else places / "teacher"
    assert digest_folder(out / "model") == digest_folder(chosen)


def test_a_tie_keeps_the_teacher(places, tmp_path, monkeypatch):
    monkeypatch.setattr("components.training.tasks.Trainer.accuracy", lambda *_: 0.5)
    out = done(tmp_path / "train", student_spec(places))
    assert read_json(out / "selection.json")["kept"] == "teacher"
    assert digest_folder(out / "model") == digest_folder(places / "teacher")


def test_without_a_labeller_the_teacher_is_the_model(places, tmp_path):
    (tmp_path / "pseudo").mkdir()
    pseudo_label(features=places / "features", teacher=places / "teacher", labeller=None, base=None, out=tmp_path / "pseudo")
    given = spec(places, "train", teacher=ref(places / "teacher"), pseudo=ref(tmp_path / "pseudo"))
    out = done(tmp_path / "train", given)
    assert read_json(out / "selection.json")["kept"] == "teacher"
    assert not (out / "student").exists()
    assert digest_folder(out / "model") == digest_folder(places / "teacher")


def test_baselines_are_each_modality_alone_and_concat(places, tmp_path):
    student = done(tmp_path / "train", student_spec(places))
    given = spec(places, "baselines", student=ref(student), pseudo=ref(places / "pseudo"))
    out = done(tmp_path / "baselines", given)
    found = read_json(out / "baselines.json")
    assert sorted(found["models"]) == ["concat", "only-facts", "only-image", "only-text"]
    assert found["targets"] == read_json(student / "selection.json")["kept"]
    assert models.load(out / "only-image").names == ["image"]
    assert models.load(out / "concat").config.fusion.name == "concat"


def test_other_content_than_the_digest_says_is_refused(places, tmp_path):
    wrong = spec(places).model_copy(update={"features": Ref(uri=str(places / "features"), digest="0" * 64)})
    with pytest.raises(UserError, match="other content"):
        run(wrong, out=tmp_path)
    gone = spec(places).model_copy(update={"features": Ref(uri=str(tmp_path / "gone"), digest="0" * 64)})
    with pytest.raises(UserError, match="no folder"):
        run(gone, out=tmp_path)


def test_a_missing_input_is_named(places, tmp_path):
    with pytest.raises(UsageError, match="`teacher`"):
        run(spec(places, "train"), out=tmp_path)


def test_a_pod_fetches_and_puts_by_uri(places, tmp_path):
    """An in-memory fsspec store stands for an object store."""
    import fsspec

    store = fsspec.filesystem("memory")
    store.put(str(places / "features") + "/", "/bucket/features/", recursive=True)
    given = spec(places).model_copy(
        update={"features": Ref(uri="memory://bucket/features", digest=digest_folder(places / "features"))}
    )
    store.pipe("/bucket/spec.json", given.model_dump_json().encode())
    assert main(["--config", "memory://bucket/spec.json", "--out", "memory://bucket/out"]) == 0
    store.get("/bucket/out/", str(tmp_path / "out") + "/", recursive=True)
    assert digest_folder(tmp_path / "out") == digest_folder(places / "teacher")


def test_mistakes_in_a_pod_are_one_line_and_an_exit_code(tmp_path, capsys):
    (tmp_path / "spec.json").write_text("{}")
    assert main(["--config", str(tmp_path / "spec.json"), "--out", str(tmp_path / "out")]) == 2
    assert main(["--config", str(tmp_path / "none.json"), "--out", str(tmp_path / "out")]) == 2
    assert "nothing at" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


BLOCKED = """
import sys
class Blocker:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in {engines}:
            raise ImportError(name + " is not in this image")
sys.meta_path.insert(0, Blocker())
import runpy
sys.argv = ["entry"] + {arguments}
runpy.run_module("components.training.entry", run_name="__main__")
"""


def test_a_killed_pod_without_engines_goes_on_to_the_same_weights(places, tmp_path):
    """One real SIGKILL after the second epoch; the engines cannot be imported in either process."""
    given = spec(places)
    (tmp_path / "spec.json").write_text(given.model_dump_json())
    arguments = ["--config", str(tmp_path / "spec.json"), "--out", str(tmp_path / "out"), "--checkpoints", str(tmp_path / "c")]
    code = BLOCKED.format(engines=ENGINES, arguments=arguments)
    command = [sys.executable, "-c", code]
    process = subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    lines = []
    for line in process.stderr:
        lines.append(json.loads(line))
        if len(lines) == 2:
            # The figures of an epoch come just before its checkpoint: the kill may hit while it is written.
            time.sleep(0.001)
            os.kill(process.pid, signal.SIGKILL)
            break
    process.communicate()
    assert process.returncode == -signal.SIGKILL
    assert not (tmp_path / "out").exists()
    second = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    result = json.loads(second.stdout)
    epochs = result["steps"] // 6
    assert result["resumed_from"] in range(epochs, result["steps"], epochs)
    assert len(second.stderr.splitlines()) == 6 - result["resumed_from"] // epochs
    assert digest_folder(tmp_path / "out") == digest_folder(places / "teacher")
