"""Oracle of every vector: the same model called through ``transformers``, one value at a time."""

import json

import numpy as np
import pytest
import torch
from PIL import Image

from components.core.errors import UsageError, UserError
from components.parts import loading as parts
from components.parts.encoders import _pretrained
from components.parts.kinds.audio import Sound
from components.parts.modality_options import modality_options
from tests import pretrained

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")
TEXTS = ["a red shoe", "blue", "", "a blue shirt for men for men for men for men"]


def kind(name):
    return parts.load("kinds", name).build(
        parts.configure("kinds", name, {}), name="m", columns={"kind": name, "column": "m"}
    )


def build(folder, of, **options):
    config = parts.configure("encoders", "transformers", {"model": str(folder), **options})
    return parts.load("encoders", "transformers").build(config, kind=kind(of))


def pictures():
    rng = np.random.default_rng(2)
    return [
        Image.fromarray(rng.integers(0, 255, (h, w, 3)).astype(np.uint8))
        for h, w in ((40, 60), (32, 32), (90, 50))
    ]


def agree(ours, rows):
    theirs = np.stack([np.asarray(row.detach()[0]) for row in rows])
    assert ours.dtype == np.float32
    assert ours.shape == theirs.shape
    assert np.abs(ours - theirs).max() < 2e-5


def pixels(folder, picture):
    from transformers import AutoImageProcessor

    processor = AutoImageProcessor.from_pretrained(folder, backend="pil")
    return processor(images=picture, return_tensors="pt")["pixel_values"]


@pytest.mark.parametrize("family", ["clip", "siglip", "dinov2", "dinov2_with_registers", "vit"])
def test_pictures(family, tmp_path):
    model = pretrained.saved(family, tmp_path)
    encoder = build(tmp_path, "image")
    shown = [pixels(tmp_path, picture) for picture in pictures()]
    if family in ("clip", "siglip"):
        rows = [model.get_image_features(pixel_values=p).pooler_output for p in shown]
    else:
        rows = [model(pixel_values=p).last_hidden_state[:, 0] for p in shown]
    agree(encoder.encode(pictures()), rows)
    assert encoder.detail == 32


@pytest.mark.parametrize("family", pretrained.TEXTS)
def test_texts(family, tmp_path):
    model = pretrained.saved(family, tmp_path)
    tokenizer = pretrained.tokenizer(12)
    ids = [tokenizer(t, truncation=True, max_length=12)["input_ids"] for t in TEXTS]
    rows = [model(input_ids=torch.tensor([row])).last_hidden_state.mean(1) for row in ids]
    agree(build(tmp_path, "text").encode(TEXTS), rows)


@pytest.mark.parametrize(("family", "padding"), [("clip", False), ("siglip", "max_length")])
def test_texts_of_two_towers(family, padding, tmp_path):
    model = pretrained.saved(family, tmp_path)
    tokenizer = pretrained.tokenizer(12)
    ids = [tokenizer(t, truncation=True, padding=padding)["input_ids"] for t in TEXTS]
    rows = [model.get_text_features(input_ids=torch.tensor([row])).pooler_output for row in ids]
    agree(build(tmp_path, "text").encode(TEXTS), rows)


@pytest.mark.parametrize("family", ["audio-spectrogram-transformer", "wav2vec2", "hubert", "wavlm"])
def test_sound(family, tmp_path):
    from transformers import AutoFeatureExtractor

    model = pretrained.saved(family, tmp_path)
    reader = AutoFeatureExtractor.from_pretrained(tmp_path)
    rows = []
    for sound in pretrained.sounds():
        output = model(**reader(sound.samples, sampling_rate=16000, return_tensors="pt"))
        pooled = family == "audio-spectrogram-transformer"
        rows.append(output.pooler_output if pooled else output.last_hidden_state.mean(1))
    encoder = build(tmp_path, "audio")
    agree(encoder.encode(pretrained.sounds()), rows)
    assert np.isfinite(encoder.encode([Sound(samples=np.zeros(5, np.float32))])).all()


@pytest.mark.parametrize("pooling", ["cls_token", "mean_tokens"])
def test_a_folder_of_sentence_transformers_is_pooled_as_it_says(pooling, tmp_path):
    """Oracle: the library itself."""
    from sentence_transformers import SentenceTransformer

    pretrained.saved("bert", tmp_path)
    pretrained.sentence_modules(tmp_path, pooling)
    theirs = SentenceTransformer(str(tmp_path), device="cpu").encode(TEXTS)
    assert np.abs(build(tmp_path, "text").encode(TEXTS) - theirs).max() < 2e-5


def test_two_towers_put_texts_and_pictures_into_one_space(tmp_path):
    pretrained.saved("clip", tmp_path)
    encoder = build(tmp_path, "image")
    assert encoder.encode(["a red shoe"]).shape == encoder.encode(pictures()[:1]).shape == (1, 10)
    assert encoder.reads_names


def test_a_prompt_stands_before_each_text(tmp_path):
    pretrained.saved("bert", tmp_path)
    ours = build(tmp_path, "text", prompt="a red ").encode(["shoe"])
    assert np.array_equal(ours, build(tmp_path, "text").encode(["a red shoe"]))


def test_the_digest_knows_weights_and_options_but_not_the_place(tmp_path):
    one, other = tmp_path / "one", tmp_path / "other"
    for folder in (one, other):
        pretrained.saved("bert", folder)
    assert build(one, "text").digest() == build(other, "text", dropout=0.5).digest()
    assert build(one, "text").digest() != build(one, "text", max_tokens=5).digest()
    before = build(other, "text").digest()
    weights = other / "model.safetensors"
    data = bytearray(weights.read_bytes())
    data[-1] ^= 1
    weights.write_bytes(data)
    assert build(other, "text").digest() != before


def test_weights_that_could_run_code_are_refused(tmp_path):
    pretrained.saved("bert", tmp_path)
    (tmp_path / "model.safetensors").rename(tmp_path / "pytorch_model.bin")
    with pytest.raises(UserError, match=r"got no \*\.safetensors"):
        build(tmp_path, "text")


def test_a_folder_without_a_model_is_told_by_what_it_lacks(tmp_path):
    with pytest.raises(UserError, match=r"got no config\.json, wanted the folder of a model"):
        build(tmp_path, "text")


def test_code_of_a_models_own_is_never_run(tmp_path):
    pretrained.saved("bert", tmp_path)
    path = tmp_path / "config.json"
    config = json.loads(path.read_text())
    config["auto_map"] = {"AutoModel": "evil.Model", "AutoConfig": "evil.Config"}
    path.write_text(json.dumps(config))
    (tmp_path / "evil.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')")
    build(tmp_path, "text").encode(["a"])
    assert not (tmp_path / "ran").exists()


def refused(tmp_path, change):
    pretrained.saved("bert", tmp_path)
    path = tmp_path / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(UserError) as caught:
        build(tmp_path, "text")
    return str(caught.value)


def test_every_family_is_tried():
    assert {*pretrained.FAMILIES} == {*_pretrained.FAMILIES}


def test_an_unknown_family_is_refused_with_the_nearest(tmp_path):
    assert "'bert'" in refused(tmp_path, {"model_type": "berd"})


def test_a_model_of_another_kind_is_refused(tmp_path):
    pretrained.saved("bert", tmp_path)
    with pytest.raises(UsageError, match="a bert that reads text, wanted one that reads image"):
        build(tmp_path, "image")


def test_another_rate_is_refused(tmp_path):
    pretrained.saved("wav2vec2", tmp_path)
    path = tmp_path / "preprocessor_config.json"
    path.write_text(json.dumps(pretrained.HEARD | {"sampling_rate": 8000}))
    with pytest.raises(UserError, match="got a model of 8000 samples a second, wanted 16000"):
        build(tmp_path, "audio")


@pytest.mark.parametrize("model", ["", "nobody/nothing-of-that-name", "./no folder"])
def test_a_model_that_is_not_here_is_refused_and_not_downloaded(model, monkeypatch, tmp_path):
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(UsageError, match=r"model: got .*wanted a folder of a model"):
        _pretrained.located(model)


def test_an_encoder_of_several_kinds_is_refused_for_any_other():
    with pytest.raises(UsageError, match="reads 'image' or 'text' or 'audio', wanted one that"):
        modality_options("tabular", {"encoders": "transformers"})
