"""Cache keys depend on everything that shapes the content, and on nothing else.

Caches: the step store, the feature cache, checkpoints, Jobs and their parts. Each change of the
table is made to one run; the keys that differ afterwards must be exactly the expected ones. Only
direct changes show here: what follows from a changed output follows by its content.
"""

import importlib.metadata
import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml

from components.config.home import Home
from components.config.run import RunConfig
from components.core.files import write_json
from components.core.refs import Ref
from components.core.yaml_file import parse_yaml
from components.data.manifest import FILE, Manifest, parse
from components.features import examine
from components.features.examine import cache_keys
from components.features.modality import build_modalities
from components.parts import loading
from components.parts.kinds import image
from components.pods.handover import work_digest
from components.prediction.package import kept_config
from components.shards.plan import EncodePlan
from flows.steps import table, work
from flows.steps.step import Call, Job, key, named
from serving import served

MANIFEST = """\
id: id
target: {column: label, kind: single}
modalities:
  image: {kind: image, column: image}
  text: {kind: text, column: text}
  note: {kind: ./own_kind.py, column: note}
"""
CONFIG = """\
name: tiny
data: {uri: /data}
modalities:
  text: {encoders: [hashing, ./own_encoder.py]}
  note: {encoders: hashing}
model: {dim: 16, fusion: gated}
losses: {cross_entropy: {}, ./own_loss.py: {}}
labeller: {name: ./own_labeller.py}
"""
MODALITIES = yaml.safe_load(CONFIG)["modalities"]
OWN_ENCODER = """\
from dataclasses import dataclass

import numpy as np

KIND = "text"
VERSION = 1
LIBRARIES = ()


@dataclass(frozen=True, kw_only=True)
class Config:
    pass


class Length:
    shape = (1,)
    dtype = np.dtype(np.float32)
    detail = 0

    def digest(self):
        return "length"

    def encode(self, values):
        return np.array([[len(value)] for value in values], np.float32)


def build(config, *, kind):
    return Length()
"""


@dataclass
class Run:
    """All that the keys of a run depend on."""

    config: RunConfig
    manifest: Manifest
    base: Path
    data: str = "d" * 64

    def set(self, **sections) -> None:
        """Change sections of the configuration."""
        tree = self.config.model_dump()
        for name, value in sections.items():
            tree[name] = tree[name] | value if isinstance(value, dict) else value
        self.config = RunConfig.model_validate(tree)

    def keys(self) -> dict[str, str]:
        """Map the name of each cached content to its key."""
        rows = table.steps_for(self.config, self.manifest, self.base)
        data = Ref(uri="/data", digest=self.data)
        outputs = {"data": data} | {r.name: Ref(uri="/x", digest=r.name) for r in rows}
        home = Home(root=self.base / "home")
        job = Job(config=self.config, base=self.base, home=home, manifest=self.manifest, data=data)
        found = {}
        for row in rows:
            inputs = row.given(outputs)
            digest = key(row, inputs, self.base).digest()
            found[row.name] = digest
            call = Call(step=row, job=job, inputs=inputs, key=digest, out=self.base)
            if row.task:
                spec = work.train_spec(call)
                found[f"{row.name}: checkpoints"] = spec.digest()
                found[f"{row.name}: Job"] = work_digest(spec)
        accepted = Ref(uri=str(self.base / "accepted"), digest="validate")
        found["encode: Job"] = EncodePlan(
            accepted=accepted,
            data=data,
            step=found["encode"],
            modalities=self.config.modalities,
            shards=2,
        ).digest()
        built = build_modalities(self.manifest, self.config.modalities, self.base)
        for modality in built.values():
            found |= {f"cache: {name}": key for name, key in cache_keys(modality).items()}
        return found


@pytest.fixture
def run(tmp_path, monkeypatch) -> Run:
    """A run whose parts, its own and those of the program, may be edited."""
    shutil.copytree(loading._ROOT, tmp_path / "parts")
    monkeypatch.setattr(loading, "_ROOT", tmp_path / "parts")
    shutil.copyfile(loading._ROOT / "kinds" / "text.py", tmp_path / "own_kind.py")
    (tmp_path / "own_encoder.py").write_text(OWN_ENCODER)
    for name in ("own_loss", "own_labeller"):
        (tmp_path / f"{name}.py").write_text("# one\n")
    manifest = parse(parse_yaml(MANIFEST, FILE).tree, base=tmp_path)
    accepted = tmp_path / "accepted"
    accepted.mkdir()
    described = {"manifest": manifest.resolved(), "classes": ["a"]}
    write_json(accepted / "dataset.json", described)
    pq.write_table(pa.table({"id": ["1", "2"]}), accepted / "records.parquet")
    config = RunConfig.model_validate(yaml.safe_load(CONFIG))
    return Run(config=config, manifest=manifest, base=tmp_path)


TRAININGS = ("train", "baselines")
ENCODERS = ("encode", "teach", "pseudo_label", "train", "baselines", "evaluate", "package")
"""Steps that run encoders: their frozen part, or the network behind it."""
MODELS = ENCODERS[1:]
KINDS = ("validate", "encode", "evaluate", "package")
"""Steps that decode raw values or show them."""
ALL = ("validate", *ENCODERS)
IMAGE = {"cache: image", "cache: image/cnn", "cache: image/lite"}
TEXT = {"cache: text", "cache: text/hashing", "cache: text/own_encoder"}
NOTE = {"cache: note", "cache: note/hashing"}
CACHES = IMAGE | TEXT | NOTE

Change = Callable[[Run, pytest.MonkeyPatch], None]


def step_version(name: str) -> Change:
    def change(_: Run, patch: pytest.MonkeyPatch) -> None:
        before = table.steps_for

        def after(*given):
            return tuple(
                replace(row, version=row.version + 1) if row.name == name else row
                for row in before(*given)
            )

        patch.setattr(table, "steps_for", after)

    return change


def encode_version(_: Run, patch: pytest.MonkeyPatch) -> None:
    for module in (table, examine):
        patch.setattr(module, "ENCODING", 99)


def part(place: str, old: str = "", new: str = "\n") -> Change:
    """Edit a file of ``components/parts``: append a blank line, or replace text."""

    def change(run: Run, _: pytest.MonkeyPatch) -> None:
        path = run.base / "parts" / place
        text = path.read_text()
        assert old in text
        path.write_text(text.replace(old, new, 1) if old else text + new)

    return change


def kind_version(run: Run, patch: pytest.MonkeyPatch) -> None:
    part("kinds/image.py", f"\nVERSION = {image.VERSION}\n", "\nVERSION = 99\n")(run, patch)
    patch.setattr(image, "VERSION", 99)


def service_code(_: Run, patch: pytest.MonkeyPatch) -> None:
    patch.setattr(served, "code_digest", lambda: "another")


def own_file(name: str) -> Change:
    def change(run: Run, _: pytest.MonkeyPatch) -> None:
        with (run.base / f"{name}.py").open("a") as file:
            file.write("# edited\n")

    return change


def library(name: str) -> Change:
    def change(_: Run, patch: pytest.MonkeyPatch) -> None:
        before = importlib.metadata.version
        patch.setattr(
            importlib.metadata, "version", lambda asked: "0" if asked == name else before(asked)
        )

    return change


def options(**sections) -> Change:
    return lambda run, _: run.set(**sections)


def data(run: Run, _: pytest.MonkeyPatch) -> None:
    run.data = "e" * 64


def group(*steps: str) -> set[str]:
    """Steps, and the content cached under their keys."""
    below = {"encode": {"encode: Job"}}
    below |= {s: {f"{s}: checkpoints", f"{s}: Job"} for s in TRAININGS}
    return set(steps).union(*(below.get(step, set()) for step in steps))


CHANGES = {
    # Code, by its version or by its text.
    **{f"version of {step}": (step_version(step), group(step)) for step in ALL if step != "encode"},
    "version of encode": (encode_version, group("encode") | CACHES),
    "version of a kind": (kind_version, group(*KINDS) | IMAGE),
    "source of a kind": (part("kinds/text.py"), group(*KINDS) | TEXT),
    "own kind": (own_file("own_kind"), group(*KINDS) | NOTE),
    "source of an encoder": (part("encoders/cnn.py"), group(*ENCODERS) | {"cache: image/cnn"}),
    "a private module of an encoder": (
        part("encoders/_cnn.py"),
        group(*ENCODERS) | {"cache: image/cnn"},
    ),
    "source of an encoder of two modalities": (
        part("encoders/hashing.py"),
        group(*ENCODERS) | {"cache: text/hashing", "cache: note/hashing"},
    ),
    "own encoder": (own_file("own_encoder"), group(*ENCODERS) | {"cache: text/own_encoder"}),
    "source of the fusion": (part("fusion/gated.py"), group(*MODELS)),
    "source of a baseline's fusion": (part("fusion/concat.py"), group("baselines", "evaluate")),
    "own loss": (own_file("own_loss"), group(*TRAININGS)),
    "own labeller": (own_file("own_labeller"), group("pseudo_label")),
    "source of a part that is not chosen": (part("labellers/fixed.py"), set()),
    # Libraries.
    "code of the service": (service_code, group("package")),
    "version of torch": (library("torch"), group(*MODELS)),
    "version of Pillow": (library("pillow"), group("validate", "encode", "package") | IMAGE),
    "version of numpy": (library("numpy"), group(*ALL) | CACHES),
    "version of BentoML": (library("bentoml"), group("package")),
    "version of a library that nothing uses": (library("polars"), set()),
    # Data and options.
    "data": (data, group("validate", "encode")),
    "options of an encoder": (
        options(
            modalities={
                **MODALITIES,
                "image": {"encoders": [{"name": "cnn", "size": [16, 16]}, {"name": "lite"}]},
            }
        ),
        group("validate", "encode", "package") | {"cache: image/cnn"},
    ),
    "limits of a kind": (
        options(modalities={**MODALITIES, "image": {"max_pixels": 1000}}),
        group("validate", "encode", "package"),
    ),
    "shape of the model": (options(model={"dim": 32}), group("teach", *TRAININGS, "package")),
    "epochs": (options(training={"epochs": 3}), group("train", "baselines", "package")),
    "seed": (options(training={"seed": 3}), group("teach", *TRAININGS, "package")),
    "what chooses": (
        options(training={"selection": "validation"}),
        group("validate", *TRAININGS, "package"),
    ),
    "labeller": (options(labeller=None), group("pseudo_label", "package")),
    "resamples": (options(evaluation={"resamples": 100}), group("evaluate")),
    "limit of the service": (options(serving={"max_batch": 3}), group("package")),
    # What changes no result.
    "device": (options(training={"device": "cpu"}), set()),
    "how often checkpoints are written": (options(training={"checkpoint_every": 5}), set()),
    "terms of the gate": (options(gate={"margin": 0.1}), set()),
}


@pytest.mark.parametrize("name", CHANGES)
def test_a_change_gives_new_keys_to_what_it_shapes_and_to_nothing_else(run, monkeypatch, name):
    change, expected = CHANGES[name]
    before = run.keys()
    change(run, monkeypatch)
    after = run.keys()
    assert {what for what in before if before[what] != after[what]} == expected


def test_the_same_run_has_the_same_keys(run):
    assert run.keys() == run.keys()


def test_the_table_names_what_a_package_keeps_of_the_configuration(run):
    row = named(table.steps_for(run.config, run.manifest, run.base), "package")
    kept = kept_config(run.config)
    assert row.config == kept
