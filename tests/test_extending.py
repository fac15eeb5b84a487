"""Every block of docs/extending.md is run: through the checks of our own parts, and a training."""

import re
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml

from components.config import run as configuration
from components.config.check_parts import check_parts
from components.config.run import RunConfig
from components.core.errors import UsageError
from components.parts import loading as parts
from components.parts.own import is_own
from components.training import pseudo_label as labelling
from components.training.run import run
from components.training.spec import TrainSpec
from tests import learned, pretrained, synthetic
from tests.components.parts.batches import DIM, NAMES, SUBSETS
from tests.components.parts.fusion import test_contract as fusions
from tests.components.parts.labellers import test_contract as labellers
from tests.components.parts.losses import test_contract as losses
from tests.components.parts.ssl import test_contract as ssl

PAGE = (Path(__file__).parents[1] / "docs" / "extending.md").read_text(encoding="utf-8")
FILES = dict(re.findall(r"`(my_\w+\.py)`:\n\n```python\n(.*?)```", PAGE, re.DOTALL))
SNIPPETS = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
RUN = "name: mine\ndata: {uri: data}\n"


@pytest.fixture
def folder(tmp_path):
    for name, text in FILES.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    return tmp_path


def made(family, name, base, **given):
    name = f"./{name}"
    module = parts.load(family, name, base)
    return module.build(parts.configure(family, name, {}, base), **given)


def written(folder, *snippets):
    """The snippets as one configuration, checked as that of a run."""
    path = folder / "run.yaml"
    path.write_text(RUN + "".join(snippets), encoding="utf-8")
    config = configuration.load(path)
    check_parts(config, path, {"text": "text", "image": "image"})
    return config


def test_the_page_has_a_file_of_each_family_that_it_names():
    assert set(FILES) == {"my_loss.py", "my_labeller.py", "my_fusion.py", "my_ssl.py"}
    assert len(re.findall("```python", PAGE)) == len(FILES)


@pytest.mark.parametrize(("name", "most"), [("my_loss.py", 24), ("my_labeller.py", 36)])
def test_a_part_is_short(name, most):
    assert len(FILES[name].splitlines()) <= most


@pytest.mark.parametrize("snippet", SNIPPETS, ids=lambda text: text.split(":")[0])
def test_a_snippet_is_a_valid_part_of_a_configuration(snippet, folder):
    if "FOLDER" in snippet:
        pytest.importorskip("transformers")
        pretrained.saved("bert", folder / "FOLDER")
        snippet = snippet.replace("FOLDER", str(folder / "FOLDER"))
    assert snippet.split(":")[0] in written(folder, snippet).model_fields_set


def test_a_wrong_option_of_an_own_part_is_told(folder):
    snippet = next(text for text in SNIPPETS if "my_loss" in text)
    with pytest.raises(UsageError, match=r"my_loss\.py.*q"):
        written(folder, snippet.replace("q: 0.5", "q: 7"))


def test_the_loss_passes_the_checks_of_losses(folder, monkeypatch):
    monkeypatch.setattr(losses, "loss", lambda name: made("losses", name, folder))
    checks = losses.TestLoss()
    for subset in SUBSETS:
        checks.test_any_subset_gives_a_finite_number_with_gradients("my_loss.py", subset)
    checks.test_absent_rows_change_neither_value_nor_gradient("my_loss.py")


def test_the_loss_is_what_its_formula_says(folder):
    _, output = losses.output()
    labels = torch.randint(output.logits.shape[1], (len(output.logits),))
    targets = torch.nn.functional.one_hot(labels, output.logits.shape[1]).float()
    weights = torch.rand(len(labels))
    found = made("losses", "my_loss.py", folder)(output, targets, weights, None)
    logits = output.logits.detach().numpy().astype(np.float64)
    p = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    rows = [(1 - p[i, c] ** 0.7) / 0.7 for i, c in enumerate(labels.tolist())]
    assert found.item() == pytest.approx(np.average(rows, weights=weights.numpy()), rel=1e-5)


def test_the_labeller_passes_the_checks_of_labellers(folder, monkeypatch):
    monkeypatch.setattr(labellers, "labeller", lambda name: made("labellers", name, folder))
    checks = labellers.TestLabeller()
    for n in (0, 1, 60):
        checks.test_every_record_gets_one_answer("my_labeller.py", n)


def test_the_fusion_passes_the_checks_of_fusions(folder, monkeypatch):
    monkeypatch.setattr(
        fusions,
        "fusion",
        lambda name, dropout=0.0: made(
            "fusion", name, folder, names=NAMES, dim=DIM, dropout=dropout
        ),
    )
    checks = fusions.TestFusion()
    for subset in SUBSETS:
        checks.test_any_subset_gives_a_finite_vector("my_fusion.py", subset)
    checks.test_gradients_reach_parameters_and_present_parts("my_fusion.py")
    checks.test_a_record_does_not_depend_on_the_others("my_fusion.py")
    checks.test_the_same_seed_gives_the_same_answer_and_a_copy_through_bytes_too("my_fusion.py")


def test_the_ssl_part_passes_the_checks_of_ssl(folder, monkeypatch):
    monkeypatch.setattr(
        ssl, "part", lambda name, **given: made("ssl", name, folder, setting=ssl.setting(**given))
    )
    for subset in SUBSETS:
        ssl.TestSsl().test_any_subset_gives_finite_terms_with_gradients("my_ssl.py", subset)


def test_an_encoder_is_a_local_folder(tmp_path):
    snippet = next(text for text in SNIPPETS if "FOLDER" in text)
    (chosen, _) = yaml.safe_load(snippet)["modalities"]["text"]["encoders"]
    pytest.importorskip("transformers")
    model = pretrained.saved("bert", tmp_path / "model")
    options = {**chosen, "model": str(tmp_path / "model")}
    name = options.pop("name")
    kind = parts.load("kinds", "text")
    text = kind.build(kind.Config(), name="text", columns={})
    module = parts.load("encoders", name)
    encoder = module.build(parts.configure("encoders", name, options), kind=text)
    assert encoder.encode(["a red shoe"]).shape == (1, model.config.hidden_size)


def test_all_of_them_train_together(folder):
    config = written(folder, *(text for text in SNIPPETS if "FOLDER" not in text))
    synthetic.write_features(folder / "features")
    learned.teach(folder / "features", folder / "teacher")
    (folder / "pseudo").mkdir()
    labelling.pseudo_label(
        features=folder / "features",
        teacher=folder / "teacher",
        labeller=config.labeller,
        base=folder,
        out=folder / "pseudo",
    )
    (folder / "train").mkdir()
    run(_spec(config, folder), out=folder / "train")
    assert (folder / "train" / "student" / "weights.safetensors").is_file()
    assert all(map(is_own, (config.model.fusion.name, config.labeller.name, config.ssl.name)))


def _spec(config: RunConfig, folder: Path) -> TrainSpec:
    return TrainSpec.model_validate(
        {
            "task": "train",
            "features": learned.ref(folder / "features"),
            "pseudo": learned.ref(folder / "pseudo"),
            "model": config.model.model_copy(update={"dim": 16}),
            "losses": config.losses,
            "ssl": config.ssl,
            "training": learned.SHORT,
            "base": str(folder),
        }
    )
