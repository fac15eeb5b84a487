"""The work of each step: the component function behind it, called with what the run gives it.

Components are imported where they are called, because some take seconds to import.
"""

from typing import TYPE_CHECKING

from components.config.trainer import LocalTrainer
from components.core.progress import Cleanup
from components.data.splits import NEEDED, SPLITS
from flows.steps.step import Call
from serving import bento

if TYPE_CHECKING:
    from components.training.spec import TrainSpec


def validate(call: Call) -> None:
    """Check the records; hidden labels are removed here."""
    from components.validation import accept

    job, checks = call.job, None
    trainer = job.config.trainer
    if isinstance(trainer, LocalTrainer) or trainer.shards == 1:
        from components.features.examine import media_checks

        # Records are encoded in this process, so values decoded by the check are kept for that.
        cache = job.home.cache / "features"
        checks = media_checks(job.manifest, job.config.modalities, cache, job.base)
    accept.validate(
        data=job.config.data.model_copy(update={"uri": call.inputs["data"].uri}),
        manifest=job.manifest,
        modalities=job.config.modalities,
        out=call.out,
        base=job.base,
        needed=SPLITS if job.config.reads_validation else NEEDED,
        checks=checks,
        progress=job.progress,
    )


def encode(call: Call) -> Cleanup | None:
    """Encode the accepted records, here or in parts."""
    from flows.places import encoder

    job = call.job
    return encoder.encode(
        accepted=call.inputs["accepted"],
        data=call.inputs["data"],
        modalities=job.config.modalities,
        step=call.key,
        cache=job.home.cache,
        out=call.out,
        base=job.base,
        progress=job.progress,
        trainer=job.config.trainer,
        run=job.run,
        say=job.say,
    )


def train_spec(call: Call) -> "TrainSpec":
    """A training step as JSON for the process or pod that does it."""
    from components.training.spec import TrainSpec

    config = call.job.config
    assert call.step.task is not None, f"{call.step.name} is not a training step"
    return TrainSpec.model_validate(
        {
            **call.inputs,
            "task": call.step.task,
            "step": call.key or None,
            "model": config.model,
            "losses": config.losses,
            "ssl": config.ssl,
            "balance": config.balance,
            "training": config.training,
            "base": str(call.job.base),
        }
    )


def train(call: Call) -> Cleanup | None:
    """Do the training task of a step, here or in a pod."""
    from flows.places import trainer

    job = call.job
    return trainer.train(
        train_spec(call),
        out=call.out,
        checkpoints=job.home.checkpoints,
        progress=job.progress,
        trainer=job.config.trainer,
        run=job.run,
        say=job.say,
    )


def teach(call: Call) -> None:
    """Fit the committee; it is so light that it runs with the flow."""
    from components.training import teaching

    config = call.job.config
    teaching.teach(
        features=call.inputs["features"].path,
        model=config.model,
        training=config.training,
        base=call.job.base,
        out=call.out,
        say=call.job.say,
    )


def pseudo_label(call: Call) -> None:
    """Label the unlabelled records."""
    from components.training import pseudo_label as labelling

    labelling.pseudo_label(
        features=call.inputs["features"].path,
        teacher=call.inputs["teacher"].path,
        labeller=call.job.config.labeller,
        base=call.job.base,
        out=call.out,
        progress=call.job.progress,
    )


def triplets(call: Call) -> None:
    """Draw what a composer learns from, or refuse the data set."""
    from components.training.triplets import write_triplets

    config = call.job.config
    assert config.composer is not None, "the table has this row where a composer is wanted"
    write_triplets(call.inputs["features"].path, config.composer, config.training.seed, call.out)


def compose(call: Call) -> None:
    """Learn a composer, and judge it."""
    from components.training import composer

    job = call.job
    assert job.config.composer is not None, "the table has this row where a composer is wanted"
    composer.compose(
        **{name: ref.path for name, ref in call.inputs.items()},
        composer=job.config.composer,
        seed=job.config.training.seed,
        out=call.out,
        progress=job.progress,
        say=job.say,
    )


def evaluate(call: Call) -> None:
    """Measure the chosen model, its teacher and the baselines."""
    from components.evaluation import evaluate as evaluation

    evaluation.evaluate(
        **{name: ref.path for name, ref in call.inputs.items()},
        evaluation=call.job.config.evaluation,
        out=call.out,
        progress=call.job.progress,
    )


def package(call: Call) -> None:
    """Write the model package and build its Bento."""
    from components.prediction import package as packaging

    packaging.package(
        **{name: ref.path for name, ref in call.inputs.items()},
        config=call.job.config,
        out=call.out,
        progress=call.job.progress,
    )
    bento.build(call.out / "package", call.out)
