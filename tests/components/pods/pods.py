"""Jobs in an exchange, and real processes that run them like pods."""

import json
import os
import subprocess
import sys
from pathlib import Path

from components.config.run import ModelConfig, Part, TrainingConfig
from components.core.refs import Ref, digest_folder
from components.exchange.exchange import Exchange
from components.pods import handover
from components.training.spec import TrainSpec

ROOT = Path(__file__).parents[3]


OWN_LOSS = """
import time
from dataclasses import dataclass

import torch


@dataclass(frozen=True, kw_only=True)
class Config:
    pass


def build(config, **parts):
    return loss


def loss(output, targets, weights, present):
    BODY
    return output.logits.float().square().mean()
"""


def own_loss(body):
    """The file of a user's own loss with a side effect."""
    return OWN_LOSS.replace("BODY", body)


def ref(path):
    return Ref(uri=str(path), digest=digest_folder(path))


def train_spec(features, **more):
    training = {
        "batch_size": 32,
        "epochs": 6,
        "learning_rate": 4e-3,
        "device": "cpu",
    }
    return TrainSpec(
        task=more.pop("task", "train"),
        features=ref(features),
        model=ModelConfig(dim=16, fusion=Part(name="gated")),
        losses=more.pop("losses", {"cross_entropy": {}, "info_nce": {"weight": 0.1}}),
        training=TrainingConfig(**{**training, **more.pop("training", {})}),
        **more,
    )


def job(home, spec, name="job"):
    """An exchange in a folder, with a job in it."""
    (home / "exchange").mkdir(exist_ok=True)
    exchange = Exchange(str(home / "exchange"), waits=())
    handover.prepare(spec, exchange, name)
    return exchange


def command(home, name="job", module="entry", *options):
    where = f"{home}/exchange/jobs/{name}"
    return [
        sys.executable,
        "-m",
        f"components.pods.{module}",
        *options,
        "--config",
        f"{where}/spec.json",
        "--out",
        where,
    ]


def environment(home, token, **more):
    own = {
        "CONCORD_ATTEMPT": token,
        "CONCORD_CACHE": str(home / "cache"),
        "CONCORD_TERMINATION_LOG": str(home / f"{token}.end"),
    }
    return {**os.environ, **own, **more}


def start(home, token, *, arguments=None, **more):
    return subprocess.Popen(
        arguments or command(home),
        cwd=ROOT,
        env=environment(home, token, **more),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def end(process, timeout=100):
    """Exit code and both outputs."""
    out, err = process.communicate(timeout=timeout)
    return process.returncode, out, err


def figures(lines):
    """The JSON objects among lines of standard error."""
    return [json.loads(line) for line in lines.splitlines() if line.startswith("{")]
