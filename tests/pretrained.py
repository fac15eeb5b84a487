"""Tiny models of ``transformers`` with random weights, saved as published ones are."""

import json
from pathlib import Path
from typing import Any

import numpy as np

from components.parts.kinds.audio import Sound

WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "a", "red", "blue", "shoe", "shirt", "for", "men"]
SMALL = {
    "hidden_size": 16,
    "intermediate_size": 24,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
}
TEXT = {**SMALL, "vocab_size": 16, "max_position_embeddings": 12, "pad_token_id": 0}
LATE = {**TEXT, "max_position_embeddings": 16}
"""Places of tokens begin after the number of the padding."""
PICTURE = {**SMALL, "image_size": 32, "patch_size": 16}
SOUND = {
    **SMALL,
    "conv_dim": [8, 8],
    "conv_kernel": [10, 8],
    "conv_stride": [5, 8],
    "num_conv_pos_embeddings": 8,
    "num_conv_pos_embedding_groups": 2,
    "num_feat_extract_layers": 2,
}
PIXELS = {
    "image_processor_type": "CLIPImageProcessor",
    "do_resize": True,
    "size": {"shortest_edge": 32},
    "do_center_crop": True,
    "crop_size": {"height": 32, "width": 32},
    "do_rescale": True,
    "rescale_factor": 1 / 255,
    "do_normalize": True,
    "image_mean": [0.4, 0.5, 0.6],
    "image_std": [0.2, 0.3, 0.25],
    "do_convert_rgb": True,
    "resample": 3,
}
SQUARE = {**PIXELS, "image_processor_type": "SiglipImageProcessor", "size": PIXELS["crop_size"]}
HEARD = {
    "feature_extractor_type": "Wav2Vec2FeatureExtractor",
    "feature_size": 1,
    "sampling_rate": 16000,
    "padding_value": 0.0,
    "do_normalize": True,
    "return_attention_mask": False,
}
SPECTROGRAM = {
    "feature_extractor_type": "ASTFeatureExtractor",
    "feature_size": 1,
    "sampling_rate": 16000,
    "num_mel_bins": 16,
    "max_length": 32,
    "do_normalize": True,
    "mean": -4.0,
    "std": 4.0,
    "return_attention_mask": False,
}
CLIP_TOWERS = {
    "text_config": {**TEXT, "eos_token_id": 3, "bos_token_id": 2},
    "vision_config": PICTURE,
}
FAMILIES: dict[str, tuple[str, dict[str, Any], dict[str, Any] | None]] = {
    "clip": ("CLIP", {**CLIP_TOWERS, "projection_dim": 10}, PIXELS),
    "siglip": ("Siglip", {"text_config": TEXT, "vision_config": PICTURE}, SQUARE),
    "dinov2": ("Dinov2", PICTURE, PIXELS),
    "dinov2_with_registers": ("Dinov2WithRegisters", PICTURE, PIXELS),
    "vit": ("ViT", PICTURE, PIXELS),
    "bert": ("Bert", TEXT, None),
    "roberta": ("Roberta", LATE, None),
    "xlm-roberta": ("XLMRoberta", LATE, None),
    "mpnet": ("MPNet", LATE, None),
    "modernbert": ("ModernBert", {**TEXT, "cls_token_id": 2, "sep_token_id": 3}, None),
    "distilbert": ("DistilBert", {**TEXT, "dim": 16, "n_heads": 2, "n_layers": 2}, None),
    "audio-spectrogram-transformer": (
        "AST",
        {**SMALL, "num_mel_bins": 16, "max_length": 32},
        SPECTROGRAM,
    ),
    "wav2vec2": ("Wav2Vec2", SOUND, HEARD),
    "hubert": ("Hubert", SOUND, HEARD),
    "wavlm": ("WavLM", SOUND, HEARD),
}
"""Family to the stem of its classes, its configuration and the options of its preprocessing."""
TEXTS = ("bert", "roberta", "xlm-roberta", "mpnet", "modernbert", "distilbert")


def saved(family: str, folder: Path) -> Any:
    """Save a model with what it needs to read values; returns the model itself, the oracle."""
    import torch
    import transformers

    stem, options, processing = FAMILIES[family]
    torch.manual_seed(0)
    config = getattr(transformers, f"{stem}Config")(**options)
    model = getattr(transformers, f"{stem}Model")(config).eval()
    model.save_pretrained(folder)
    if processing:
        (folder / "preprocessor_config.json").write_text(json.dumps(processing))
    if family in ("clip", "siglip", *TEXTS):
        tokenizer(most=12).save_pretrained(folder)
    return model


def tokenizer(most: int) -> Any:
    """Reads the few words, each with a number of its own."""
    from tokenizers import Tokenizer, models, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    pad, unknown = WORDS[:2]
    inner = Tokenizer(models.WordLevel({w: i for i, w in enumerate(WORDS)}, unk_token=unknown))
    inner.pre_tokenizer = pre_tokenizers.Whitespace()
    inner.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=inner, pad_token=pad, unk_token=unknown, model_max_length=most
    )


def sentence_modules(folder: Path, pooling: str) -> None:
    """The files that make the folder of a text model one of ``sentence-transformers``."""
    names = {"": "Transformer", "1_Pooling": "Pooling", "2_Normalize": "Normalize"}
    modules = [
        {"idx": i, "name": str(i), "path": path, "type": f"sentence_transformers.models.{name}"}
        for i, (path, name) in enumerate(names.items())
    ]
    (folder / "modules.json").write_text(json.dumps(modules))
    (folder / "sentence_bert_config.json").write_text(json.dumps({"max_seq_length": 6}))
    (folder / "1_Pooling").mkdir()
    (folder / "1_Pooling" / "config.json").write_text(
        json.dumps({"word_embedding_dimension": 16, f"pooling_mode_{pooling}": True})
    )


def sounds() -> list[Sound]:
    """Sounds of different lengths."""
    rng = np.random.default_rng(1)
    lengths = (8000, 3000, 5000)
    return [Sound(samples=rng.normal(0, 0.1, n).astype(np.float32)) for n in lengths]
