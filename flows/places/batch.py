"""Where all records of a data set are answered: in this process, or as the indexes of a Job."""

from pathlib import Path
from typing import TYPE_CHECKING

from components.config.home import Home
from components.config.trainer import KubernetesTrainer, LocalTrainer
from components.core.errors import UserError
from components.core.progress import Progress, Say
from components.core.refs import Ref
from components.data.digest import data_digest
from components.data.manifest import Manifest
from components.prediction.answers_file import Counts
from flows.runs.records import new_id

if TYPE_CHECKING:
    from components.prediction.predictor import Predictor


def answer(
    *,
    predictor: "Predictor",
    data_uri: str,
    manifest: Manifest,
    out: Path,
    home: Home,
    trainer: LocalTrainer | KubernetesTrainer,
    progress: Progress,
    say: Say,
) -> Counts:
    """Answer all records into one Parquet file, the same wherever and in however many parts.

    Args:
        predictor: the loaded package.
        data_uri: the data set.
        manifest: what its columns mean.
        out: the file; it appears once it is complete.
        home: the state folder.
        trainer: where, and in how many parts.
        progress: called as records are answered.
        say: receives messages for the user.

    Raises:
        UserError: nothing to answer, a damaged package, or missing parts.
    """
    from components.prediction.batch import predict
    from components.prediction.classifier import NO_CLASSIFIER

    if not predictor.classes:
        raise UserError(NO_CLASSIFIER)
    if isinstance(trainer, LocalTrainer):
        return predict(
            predictor=predictor, data_uri=data_uri, manifest=manifest, out=out, progress=progress
        )
    from components.shards.join import join_answers
    from components.shards.plan import PredictPlan
    from flows.places import shards

    plan = PredictPlan(
        package=Ref(uri=str(predictor.path), digest=predictor.digest),
        kinds=predictor.kinds,
        data=Ref(uri=data_uri, digest=data_digest(data_uri, manifest, cache=home.cache)),
        manifest=manifest,
        shards=trainer.shards,
    )
    scratch = home.cache / "shards"
    parts = shards.run(
        plan, trainer=trainer, run_id=new_id(), scratch=scratch, progress=progress, say=say
    )
    counts = join_answers(
        target=predictor.target,
        chunks=parts.folders,
        count=parts.rows,
        out=out,
        progress=progress,
    )
    try:
        parts.clean()
    except UserError as error:  # the answers are written; leftovers elsewhere only take room
        say(f"could not clean up: {error}")
    return counts
