"""The run configuration: one YAML file, parsed strictly, all mistakes reported at once."""

import os
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    PlainValidator,
    ValidationError,
    model_validator,
)

from components.config.chosen_parts import unknown_parts
from components.config.composer import ComposerConfig
from components.config.trainer import KubernetesTrainer, LocalTrainer, TrainerConfig
from components.core.places import expanded, in_utf8, is_url
from components.core.strict import Mistakes, Strict, all_at_once, explain
from components.core.yaml_file import read_yaml

Seed = Annotated[int, Field(ge=0, lt=2**32)]
"""A seed that numpy, scikit-learn and torch all take."""


def _rates(value: object) -> float | dict[str, float]:
    """Accept a probability below 1, or a name and one for each of some modalities."""
    found, wrong = {}, []
    for name, rate in value.items() if isinstance(value, dict) else [("", value)]:
        if isinstance(rate, bool) or not isinstance(rate, int | float) or not 0 <= rate < 1:
            wrong.append((str(name), f"got {rate!r}, wanted a number from 0 to below 1"))
        else:
            found[str(name)] = float(rate)
    if wrong and not isinstance(value, dict):
        raise ValueError(f"{wrong[0][1]}, or a mapping of modalities to such numbers")
    if wrong:
        raise Mistakes(wrong)
    return found if isinstance(value, dict) else found[""]


class Part(BaseModel):
    """A part chosen by name, with its options: ``gated`` or ``{name: gated, hidden: 64}``."""

    model_config = ConfigDict(extra="allow", frozen=True)
    name: str

    @model_validator(mode="before")
    @classmethod
    def _short_form(cls, value: object) -> object:
        if not isinstance(value, str | dict | Part):
            raise ValueError(
                f"got {value!r}, wanted one name, or a name with options: "
                "`{name: NAME, OPTION: VALUE}`"
            )
        return {"name": value} if isinstance(value, str) else value

    @property
    def options(self) -> dict[str, Any]:
        """Everything beside the name."""
        return dict(self.model_extra or {})


class SslPart(Part):
    """How the network learns from unlabelled records while it trains."""

    weight: Annotated[float, Field(ge=0, le=1_000_000, allow_inf_nan=False)] = 1.0
    """Of its losses beside those of ``losses``."""
    ratio: Annotated[float, Field(gt=0, le=100)] = 1.0
    """Unlabelled records in a step, as a multiple of ``training.batch_size``."""


class Labels(Strict):
    """Which training labels the run may see: a Parquet file with ``id`` and one boolean column."""

    file: str
    """Path relative to the data set."""
    column: str


class DataConfig(Strict):
    """Where the records are and which labels may be seen."""

    uri: Annotated[str, Field(min_length=1)]
    """Folder of the data set, absolute or relative to this file."""
    manifest: Annotated[str, Field(min_length=1)] | None = None
    """Manifest beside this file, where the data set carries none."""
    labels: Labels | None = None
    """Without it every label in the training split is visible."""


def _heads(heads: list[Part]) -> list[Part]:
    names = [head.name for head in heads]
    if len(set(names)) < len(names) or any(name.endswith(".py") for name in names):
        raise ValueError(f"got {', '.join(names)}, wanted heads by their names, each once")
    return heads


class ModelConfig(Strict):
    """The shape of the model."""

    dim: Annotated[int, Field(ge=2, le=4096)] = 128
    """Width of the shared space."""
    projector: Part = Part(name="linear")
    """What maps the features of each modality into the shared space."""
    fusion: Part = Part(name="concat")
    heads: Annotated[list[Part], Field(min_length=1), AfterValidator(_heads)] = Field(
        default_factory=lambda: [Part(name="logistic"), Part(name="gda")]
    )
    """The light heads of the committee. ``prototype`` beside the default ones lost on hidden labels
    of the training records of dcss-monsters; on test records of two other sets it would have
    helped."""
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.1


class TrainingConfig(Strict):
    """How the network is fitted; student and baselines share it."""

    epochs: Annotated[int, Field(ge=1, le=1_000_000)] = 10
    """Passes over the training records."""
    selection: Literal["folds", "validation"] = "folds"
    """What chooses between committee and student, and calibrates: labelled training records that
    were held out, or the validation records, which then count in the label budget."""
    batch_size: Annotated[int, Field(ge=2, le=1_000_000)] = 128
    learning_rate: Annotated[float, Field(gt=0, le=1_000)] = 2e-3
    weight_decay: Annotated[float, Field(ge=0, le=1_000)] = 1e-2
    label_smoothing: Annotated[float, Field(ge=0, lt=1)] = 0.0
    modality_dropout: Annotated[float | dict[str, float], PlainValidator(_rates)] = 0.2
    """Probability that a present modality is hidden from a training record; one is always kept.
    One for all modalities, or one for each that is named; the others are then never hidden."""
    augment: bool = True
    seed: Seed = 0
    device: Literal["auto", "cpu", "cuda"] = "auto"
    precision: Literal["auto", "fp32", "bf16"] = "auto"
    """``auto``: bf16 on a CUDA device, else fp32."""
    checkpoint_every: Annotated[int, Field(ge=1, le=1_000_000)] = 1
    """Epochs between checkpoints."""


class EvaluationConfig(Strict):
    """What is measured."""

    resamples: Annotated[int, Field(ge=100, le=1_000_000)] = 2000
    seed: Seed = 0
    retrieval_queries: Annotated[int, Field(ge=1, le=10_000_000)] = 5000
    """At most this many test records are searched with (all of them where fewer); what is searched
    is always the whole test split."""


class GateConfig(Strict):
    """The written decision between champion and challenger."""

    split: Literal["test", "val"] = "test"
    metric: Literal["accuracy", "macro_f1", "macro_map", "recall@10"] | None = None
    """By default the primary figure of the target: ``accuracy`` of one class, ``macro_map`` of sets
    of classes; where nothing is predicted ``recall@10``, the mean over all directions of search."""
    alpha: Annotated[float, Field(gt=0, lt=1)] = 0.05
    margin: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """The challenger's gain must have a lower confidence limit above this."""
    resamples: Annotated[int, Field(ge=100, le=1_000_000)] = 2000
    seed: Seed = 0


class ServingConfig(Strict):
    """Limits of the prediction service."""

    max_batch: Annotated[int, Field(ge=1, le=10_000)] = 64
    """Records in one request."""
    max_value_mb: Annotated[int, Field(ge=1, le=1_000_000)] = 128
    """Memory to decode one value, in MB: 12 megapixels of PNG, 6 of WebP; JPEG is reduced."""
    max_request_mb: Annotated[int, Field(ge=1, le=1_000_000)] = 256
    """Memory to decode all values of one request."""
    max_total_mb: Annotated[int, Field(ge=1, le=1_000_000)] = 512
    """Memory to decode the values of all requests at once; further ones wait, then are refused."""
    log_payloads: bool = False
    """Whether the answer log keeps what was asked, so that feedback brings the values to learn."""
    retention_days: Annotated[int, Field(ge=1, le=3650)] = 30
    """How long the answer log keeps an answer."""

    @model_validator(mode="after")
    def _nested(self) -> "ServingConfig":
        limits = (self.max_value_mb, self.max_request_mb, self.max_total_mb)
        if list(limits) != sorted(limits):
            raise ValueError(
                "max_value_mb, max_request_mb, max_total_mb: got "
                f"{', '.join(map(str, limits))}, wanted none smaller than the one before"
            )
        return self


_HEAVIEST = 1_000_000
"""Largest weight of a loss."""


def _weighted(losses: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Check the one option that every loss takes."""
    weights = {name: options.get("weight", 1) for name, options in losses.items()}
    if found := [
        (f"{name}.weight", f"got {weight!r}, wanted: a number from 0 to {_HEAVIEST}")
        for name, weight in weights.items()
        if isinstance(weight, bool)
        or not isinstance(weight, int | float)
        or not 0 <= weight <= _HEAVIEST
    ]:
        raise Mistakes(found)
    if not any(weights.values()):
        raise ValueError("wanted at least one loss with a weight above 0")
    return losses


def _named(part: Part) -> Part:
    if part.name.endswith(".py"):
        raise ValueError(f"got the file {part.name!r}, wanted an index family by its name")
    return part


class RunConfig(Strict):
    """One complete run. Source of the shape: ``conf/demo.yaml``."""

    name: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,62}$")]
    """Registered model name: lower case letters, digits and dashes."""
    data: DataConfig
    modalities: dict[str, dict[str, Any]] = Field(default_factory=dict)
    """Options of each modality; one that is not named uses its defaults.

    They are the limits of its kind, and ``encoders``: a name, a name with options, or a list of
    both, one view each. To leave a modality out, use a manifest without it.
    """
    model: ModelConfig = ModelConfig()
    losses: Annotated[dict[str, dict[str, Any]], AfterValidator(_weighted)] = Field(
        default_factory=lambda: {"cross_entropy": {}, "info_nce": {"weight": 1.0}}
    )
    """Loss name to its options; every loss takes ``weight``."""
    labeller: Part | None = Part(name="soft")
    """``null``: no rounds and no pseudo-labels."""
    ssl: SslPart | None = None
    """What the network learns online from training records without a visible label; those with a
    pseudo-label are among them, and keep it."""
    balance: Part | None = None
    """What keeps a fast modality from holding the others back."""
    composer: ComposerConfig | None = None
    """What makes one query of a picture and words; by default their weighted sum."""
    training: TrainingConfig = TrainingConfig()
    index: Annotated[Part, AfterValidator(_named)] | None = None
    """The index family: ``exact``, ``approximate`` or ``postgres``. By default ``exact`` up to
    50,000 records, else ``approximate``."""
    evaluation: EvaluationConfig = EvaluationConfig()
    gate: GateConfig = GateConfig()
    serving: ServingConfig = ServingConfig()
    trainer: TrainerConfig = LocalTrainer()
    """Where training runs; another place changes no result and no step's key."""

    @property
    def reads_validation(self) -> bool:
        """Whether validation records choose or decide, so that there must be some."""
        return self.training.selection == "validation" or self.gate.split == "val"


def load(path: Path, data_uri: str | None = None) -> RunConfig:
    """Read and check a run's YAML; relative places become absolute, seen from the file.

    Args:
        path: the YAML file.
        data_uri: takes the place of ``data.uri`` (relative to the working directory).

    Raises:
        UsageError: no such file, not YAML, or mistakes in it: all of them, one line each with path
            and nearest valid name.
    """
    document = read_yaml(
        path, f"no configuration at {path}; give the path of a run's YAML (README.md shows one)"
    )
    tree = document.tree
    problems = [*document.mistakes, *unknown_parts(tree, path.parent)]
    try:
        config = RunConfig.model_validate(tree)
    except ValidationError as error:
        raise all_at_once(path, [*explain(error, RunConfig), *problems]) from error
    if problems:
        raise all_at_once(path, problems)
    return _absolute(config, path.resolve().parent, data_uri)


def _absolute(config: RunConfig, base: Path, data_uri: str | None) -> RunConfig:
    uri = data_uri if data_uri is not None else config.data.uri
    if not is_url(uri):
        start = Path.cwd() if data_uri is not None else base
        uri = in_utf8(os.path.normpath(start / expanded(uri)))
    manifest = config.data.manifest
    if manifest is not None:
        manifest = os.path.normpath(base / manifest)
    data = config.data.model_copy(update={"uri": uri, "manifest": manifest})
    return config.model_copy(
        update={"data": data, "trainer": _absolute_trainer(config.trainer, base)}
    )


def _absolute_trainer(
    trainer: LocalTrainer | KubernetesTrainer, base: Path
) -> LocalTrainer | KubernetesTrainer:
    if isinstance(trainer, LocalTrainer) or is_url(trainer.exchange.uri):
        return trainer
    uri = os.path.normpath(base / expanded(trainer.exchange.uri))
    return trainer.model_copy(update={"exchange": trainer.exchange.model_copy(update={"uri": uri})})
