import numpy as np
import pytest

from components.core.errors import UsageError
from components.parts import loading as parts
from components.parts.encoders import _minilm

TEXTS = [
    "blue shirt",
    "a",
    "Playing card ten of diamonds, leftwards arrow with tail",
    "",
    "Überraschung: 東京 été naïve",
    "running shoes for men " * 60,
]


def build(**options):
    config = parts.configure("encoders", "minilm", options)
    return parts.load("encoders", "minilm").build(config, kind=None)


@pytest.fixture(scope="module")
def minilm():
    return build()


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_minilm_gives_what_transformers_gives(minilm):
    """Oracle: transformers' own BertModel with the package's weights, one text at a time."""
    import torch
    from safetensors.torch import load_file
    from transformers.models.bert.configuration_bert import BertConfig
    from transformers.models.bert.modeling_bert import BertModel

    folder = _minilm.folder()
    oracle = BertModel(BertConfig.from_json_file(str(folder / "config.json"))).eval()
    weights = load_file(folder / "model.safetensors")
    weights.pop("embeddings.position_ids", None)
    oracle.load_state_dict(weights)
    ours = minilm.encode(TEXTS)
    for row, ids in enumerate(_minilm.Sentences().tokens(TEXTS, 128)):
        with torch.inference_mode():
            mean = oracle(input_ids=torch.tensor([ids])).last_hidden_state[0].mean(0)
        assert np.abs(ours[row] - (mean / mean.norm()).numpy()).max() < 2e-6


def test_a_text_does_not_depend_on_its_neighbours(minilm):
    together = minilm.encode(TEXTS)
    alone = np.concatenate([minilm.encode([t]) for t in TEXTS])
    assert np.abs(together - alone).max() < 2e-6
    assert np.array_equal(together, minilm.encode(TEXTS))


def test_like_meanings_are_near(minilm):
    a, b, c = minilm.encode(["a small dog", "a little puppy", "quarterly tax report"])
    assert a @ b > 0.6
    assert a @ c < 0.3


def test_what_is_beyond_max_tokens_changes_nothing():
    short = build(max_tokens=8)
    a, b = short.encode(
        ["one two three four five six seven", "one two three four five six eight nine ten"]
    )
    assert np.abs(a - b).max() < 2e-6


def test_the_digest_knows_what_shapes_vectors_and_nothing_else(minilm):
    assert minilm.digest() == build(dropout=0.5).digest()
    assert minilm.digest() != build(max_tokens=7).digest()


def test_wrong_options_are_refused():
    with pytest.raises(UsageError, match="max_tokens"):
        build(max_tokens=1)
