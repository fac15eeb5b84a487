"""Oracle of every vector: the same model called through ``transformers``, one value at a time."""

import json

import numpy as np
import pytest
import torch
from PIL import Image

from components.core.errors import UsageError, UserError
from components.core.refs import digest_json
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


def assert_near(ours, rows):
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
    assert_near(encoder.encode(pictures()), rows)
    assert encoder.detail == 32


@pytest.mark.parametrize("family", pretrained.TEXTS)
def test_texts(family, tmp_path):
    model = pretrained.saved(family, tmp_path)
    tokenizer = pretrained.tokenizer(12)
    ids = [tokenizer(t, truncation=True, max_length=12)["input_ids"] for t in TEXTS]
    rows = [model(input_ids=torch.tensor([row])).last_hidden_state.mean(1) for row in ids]
    assert_near(build(tmp_path, "text").encode(TEXTS), rows)


@pytest.mark.parametrize(("family", "padding"), [("clip", False), ("siglip", "max_length")])
def test_texts_of_two_towers(family, padding, tmp_path):
    model = pretrained.saved(family, tmp_path)
    tokenizer = pretrained.tokenizer(12)
    ids = [tokenizer(t, truncation=True, padding=padding)["input_ids"] for t in TEXTS]
    rows = [model.get_text_features(input_ids=torch.tensor([row])).pooler_output for row in ids]
    assert_near(build(tmp_path, "text").encode(TEXTS), rows)


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
    assert_near(encoder.encode(pretrained.sounds()), rows)
    assert np.isfinite(encoder.encode([Sound(samples=np.zeros(5, np.float32))])).all()


def states(model, kind, folder):
    """The hidden states of each value, called through ``transformers`` one by one."""
    if kind == "image":
        given = [{"pixel_values": pixels(folder, picture)} for picture in pictures()]
        tower = getattr(model, "vision_model", model)
    elif kind == "text":
        most = {"truncation": True, "max_length": 12}
        ids = [pretrained.tokenizer(12)(text, **most)["input_ids"] for text in TEXTS]
        if model.config.model_type == "siglip":  # it reads padding, of which the mean is free
            ids = [[*row, *[0] * (12 - len(row))] for row in ids]
        given = [{"input_ids": torch.tensor([row])} for row in ids]
        tower = getattr(model, "text_model", model)
    else:
        from transformers import AutoFeatureExtractor

        reader = AutoFeatureExtractor.from_pretrained(folder)
        sounds = [sound.samples for sound in pretrained.sounds()]
        given = [reader(one, sampling_rate=16000, return_tensors="pt") for one in sounds]
        tower = model
    return [tower(**one, output_hidden_states=True).hidden_states for one in given]


def values(kind):
    return {"image": pictures, "text": lambda: TEXTS, "audio": pretrained.sounds}[kind]()


EVERY = [(name, kind) for name, one in _pretrained.FAMILIES.items() for kind in one.kinds]


@pytest.mark.parametrize(("family", "kind"), EVERY)
def test_a_layer_is_its_hidden_state_pooled_as_the_family_pools(family, kind, tmp_path):
    model = pretrained.saved(family, tmp_path)
    read = states(model, kind, tmp_path)
    for layer in (1, 2):
        rows = [one[layer] for one in read]
        if family == "siglip" and kind == "text":
            ids = pretrained.tokenizer(12)(TEXTS, truncation=True, max_length=12)["input_ids"]
            rows = [row[:, : len(own)] for row, own in zip(rows, ids, strict=True)]
        first = family.startswith(("vit", "dino"))
        pooled = [row[:, 0] if first else row.mean(1) for row in rows]
        encoder = build(tmp_path, kind, layer=layer)
        assert encoder.shape == (16,)
        assert_near(encoder.encode(values(kind)), pooled)


def test_a_layer_of_a_folder_of_sentence_transformers_is_pooled_as_it_says(tmp_path):
    model = pretrained.saved("bert", tmp_path)
    pretrained.sentence_modules(tmp_path, "cls_token")
    rows = [one[1][:, 0] for one in states(model, "text", tmp_path)]
    short = [i for i, text in enumerate(TEXTS) if len(text.split()) < 5]
    wanted = [torch.nn.functional.normalize(rows[i]) for i in short]
    assert_near(build(tmp_path, "text", layer=1).encode([TEXTS[i] for i in short]), wanted)


def test_layers_count_from_the_end_too(tmp_path):
    pretrained.saved("bert", tmp_path)
    one, same = build(tmp_path, "text", layer=1), build(tmp_path, "text", layer=-2)
    assert one.digest() == same.digest()
    assert np.array_equal(one.encode(TEXTS), same.encode(TEXTS))


@pytest.mark.parametrize("layer", [0, 3, -3])
def test_a_layer_that_the_model_lacks_is_refused(layer, tmp_path):
    pretrained.saved("bert", tmp_path)
    wanted = rf"layer: got {layer}, wanted 1 to 2, or -1 to -2 counted from the end"
    with pytest.raises(UsageError, match=wanted):
        build(tmp_path, "text", layer=layer)


def test_layers_of_two_towers_are_as_wide_as_their_own_tower_and_read_no_names(tmp_path):
    from transformers import CLIPConfig, CLIPModel

    pretrained.saved("clip", tmp_path)
    towers = {**pretrained.CLIP_TOWERS, "text_config": {**pretrained.CLIP_TOWERS["text_config"]}}
    towers["text_config"] |= {"hidden_size": 24, "num_hidden_layers": 3}
    CLIPModel(CLIPConfig(**towers, projection_dim=10)).save_pretrained(tmp_path)
    assert build(tmp_path, "text", layer=3).encode(TEXTS).shape == (len(TEXTS), 24)
    image = build(tmp_path, "image", layer=-1)
    assert image.shape == (16,)
    assert not image.reads_names
    with pytest.raises(UsageError, match="got 3, wanted 1 to 2"):
        build(tmp_path, "image", layer=3)


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


def test_the_digest_knows_a_layer_and_is_that_of_before_without_one(tmp_path):
    pretrained.saved("bert", tmp_path)
    before = {
        "encoder": "transformers",
        "version": 1,
        "model": _pretrained.digest(tmp_path),
        "max_tokens": 256,
        "prompt": "",
    }
    digests = {build(tmp_path, "text", layer=layer).digest() for layer in (None, 1, 2)}
    assert len(digests) == 3
    assert digest_json(before) in digests


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
