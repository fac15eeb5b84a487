"""What a user's own part returns is checked where it enters: got, wanted, and which part."""

import numpy as np
import pytest

from components.config.run import ModelConfig, Part, SslPart, TrainingConfig
from components.core.errors import UsageError, UserError
from components.model import storage
from components.parts import loading as parts
from components.parts.labelling import Evidence, PseudoLabels, checked
from components.training.consistency import online
from components.training.data import training_data
from components.training.loop import fit
from components.training.objective import built
from tests.synthetic import records, write_features

HEAD = """
from dataclasses import dataclass
import torch
from components.parts.online import Balance, Ssl

@dataclass(frozen=True, kw_only=True)
class Config:
    pass
"""
LOSS = """
def build(config):
    def loss(output, targets, weights, present):
        return BODY
    return loss
"""
FUSION = """
class Own(torch.nn.Module):
    def forward(self, parts, present):
        x = sum(parts.values())
        return BODY

def build(config, *, names, dim, dropout):
    return Own()
"""
SSL = """
class Own(Ssl):
    terms = ("pull",)
    def forward(self, answered):
        return BODY

def refuses(config, setting):
    return None

def build(config, *, setting):
    return Own()
"""
BALANCE = """
class Own(Balance):
    BODY

def build(config, *, modalities):
    return Own()
"""


@pytest.fixture(scope="module")
def features(tmp_path_factory):
    return write_features(tmp_path_factory.mktemp("f") / "features", records(80, labelled=0.5))


def trained(features, folder, family, text, body):
    (folder / "own.py").write_text(HEAD + text.replace("BODY", body))
    own = "./own.py"
    shape = ModelConfig(dim=8, **({"fusion": Part(name=own)} if family == "fusion" else {}))
    model = storage.build(shape, classes=features.classes, specs=features.specs, base=folder)
    data = training_data(features, unlabelled=True)
    chosen = online(
        SslPart(name=own) if family == "ssl" else None,
        Part(name=own) if family == "balance" else None,
        model,
        data,
        folder,
    )
    losses, _ = built({"cross_entropy": {}, **({own: {}} if family == "losses" else {})}, 3, folder)
    config = TrainingConfig(batch_size=32, device="cpu")
    fit(model, losses, data, config, epochs=1, online=chosen)


@pytest.mark.parametrize(
    ("family", "text", "body", "said"),
    [
        ("losses", LOSS, "None", r"losses: \./own\.py returned None, wanted a scalar tensor"),
        ("losses", LOSS, "1.0", r"own\.py returned a float, wanted a scalar tensor"),
        ("losses", LOSS, "weights", r"own\.py returned a tensor \(\d+,\), wanted a scalar tensor"),
        (
            "losses",
            LOSS,
            "output.logits.sum() * torch.nan",
            "diverged in epoch 1: .* a loss of your own",
        ),
        (
            "losses",
            LOSS,
            "output.logits.detach().square().mean()",
            r"losses: \./own\.py: its value does not depend on the model",
        ),
        ("losses", "\ndef build(config): return BODY", "None", "`build` returned None, wanted a f"),
        (
            "losses",
            "\ndef build(config): return BODY",
            "lambda a, b: a",
            r"got a function \(a, b\)",
        ),
        ("fusion", FUSION, "x[:, :-1]", r"model\.fusion returned a tensor \(\d+, 7\), wanted"),
        ("fusion", FUSION, "x.sum(0)", r"model\.fusion returned a tensor \(8,\), wanted a tensor"),
        ("fusion", FUSION, "None", r"model\.fusion returned None, wanted a tensor \(batch, 8\)"),
        ("ssl", SSL, "torch.zeros(())", r"ssl returned a tensor \(\), wanted a mapping of pull"),
        ("ssl", SSL, "{'push': torch.zeros(())}", "ssl returned a mapping without pull"),
        ("ssl", SSL, "{'pull': torch.zeros(3)}", r"ssl: pull returned a tensor \(3,\)"),
        ("balance", BALANCE, "after_backward = lambda *_: 0.5", "`after_backward` returned a fl"),
        ("balance", BALANCE, "on_batch = lambda _: torch.ones(7)", r"`on_batch` .* \(7,\), wanted"),
    ],
)
def test_a_wrong_value_is_refused(family, text, body, said, features, tmp_path):
    with pytest.raises(UserError, match=said):
        trained(features, tmp_path, family, text, body)


@pytest.mark.parametrize(
    ("family", "text", "wanted"),
    [("losses", "()", r"\(config\)"), ("fusion", "(config, dim)", r"\(config, \*, names, dim, dr")],
)
def test_a_build_that_takes_other_arguments_is_refused(family, text, wanted, tmp_path):
    (tmp_path / "own.py").write_text(f"{HEAD}\ndef build{text}: pass\n")
    with pytest.raises(UsageError, match=f"`build` must take {wanted}"):
        parts.load(family, "./own.py", tmp_path)


def decided(**changed):
    """What a labeller says of two records and three classes."""
    found = {
        "labels": np.array([0, 2]),
        "confidence": np.array([0.5, 1.0]),
        "accepted": np.array([True, True]),
        "sources": [["fused"]] * 2,
        "reasons": ["accepted"] * 2,
        "thresholds": np.full(3, np.nan),
    }
    return PseudoLabels(**found | changed)


def asked(answer):
    pool = Evidence(
        fused=np.full((2, 3), 1 / 3),
        by_modality={"text": np.full((2, 3), 1 / 3)},
        present=np.ones((2, 1), bool),
    )
    labeller = checked("./own.py", lambda *_: answer)
    return labeller(pool, pool, np.array([0, 1]), np.full(3, 1 / 3))


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (None, "returned a NoneType, wanted `PseudoLabels`"),
        (decided(labels=np.array([0])), r"labels of the shape \(1,\), wanted \(2,\)"),
        (decided(labels=np.array([0.0, 1.0])), "labels of float64 .*, wanted integers and bool"),
        (decided(labels=np.array([0, 3])), "labels with 3 for an accepted record, wanted 0 to 2"),
        (decided(accepted=np.array([1, 1])), "accepted of int64, wanted integers and bool"),
        (decided(confidence=np.array([0.5, np.nan])), "confidence with nan for an accepted"),
        (decided(confidence=np.array([0.5, 7.0])), r"confidence with 7\.0 for an accepted"),
        (decided(reasons=["accepted"]), r"reasons of the shape \(1,\), wanted \(2,\)"),
        (decided(thresholds=np.zeros(1)), r"thresholds of the shape \(1,\), wanted \(3,\)"),
        (decided(soft=np.zeros((2, 4))), r"soft of the shape \(2, 4\), wanted \(2, 3\)"),
    ],
)
def test_pseudo_labels_that_fit_no_pool_are_refused(answer, said):
    with pytest.raises(UserError, match=rf"labeller \./own\.py returned {said}|{said}"):
        asked(answer)


def test_a_refused_record_may_have_any_label():
    refused = np.array([True, False])
    found = decided(labels=np.array([0, -1]), confidence=np.array([1, np.nan]), accepted=refused)
    assert asked(found) is found
