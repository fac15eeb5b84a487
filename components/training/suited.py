"""Checks, before anything trains, that a data set has what online parts need."""

from pathlib import Path

from components.core.errors import UserError
from components.features.store import Features
from components.parts import loading as parts
from components.parts.online import Setting
from components.training.data import training_data
from components.training.spec import TrainSpec


def check(spec: TrainSpec, features: Features, base: Path | None) -> None:
    """Refuse a data set that a chosen part cannot serve.

    Args:
        spec: the training task.
        features: its data set.
        base: folder that a user's own files are relative to.

    Raises:
        UserError: why, and what to do instead.
    """
    if spec.ssl is not None:
        module = parts.load("ssl", spec.ssl.name, base)
        setting = Setting(
            modalities=tuple(features.names),
            target=features.target,
            records=len(training_data(features).hidden),
        )
        config = parts.configure("ssl", spec.ssl.name, spec.ssl.options, base)
        why = module.refuses(config, setting)
        if why is not None:
            raise UserError(f"ssl: {spec.ssl.name} cannot serve this data set: {why}")
        if spec.ssl.ratio != 1 and module.build(config, setting=setting).records == "batch":
            raise UserError(
                f"ssl: {spec.ssl.name}: got ratio {spec.ssl.ratio:g}, wanted none: it learns from "
                "the records of each batch, and reads no unlabelled ones beside them"
            )
    if spec.balance is not None and (len(features.names) < 2 or not features.target.width):
        got = f"{features.names[0]} alone" if features.target.width else "no labels to predict"
        raise UserError(
            f"balance: {spec.balance.name} holds back the modality that answers best: got a data "
            f"set with {got}, wanted labels and two modalities; leave `balance` out"
        )
