import numpy as np
import pytest

from components.core.errors import BadInput, UsageError
from components.parts.kinds import _minilm, text

TEXTS = [
    "blue shirt",
    "a",
    "Playing card ten of diamonds, leftwards arrow with tail",
    "",
    "Überraschung: 東京 été naïve",
    "running shoes for men " * 60,
]


def build(**options):
    return text.build(text.Config(**options), name="title", columns={})


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
    for row, ids in enumerate(_minilm.tokens(TEXTS, 128)):
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


def test_hashing_is_of_unit_length_stable_and_tells_texts_apart():
    hashing = build(encoder="hashing", buckets=256)
    found = hashing.encode(["red shoe", "red shoe", "RED  shoe!", "blue hat", "?!"])
    assert np.array_equal(found[0], found[1])
    assert np.array_equal(found[0], found[2])
    assert np.allclose(np.linalg.norm(found[:4], axis=1), 1)
    assert found[0] @ found[3] < 0.5
    assert not found[4].any()


def test_both_encoders_lie_side_by_side(minilm):
    both = build(encoder="minilm+hashing", buckets=32)
    assert both.shape == (384 + 32,)
    found = both.encode(TEXTS[:2])
    assert np.array_equal(found[:, :384], minilm.encode(TEXTS[:2]))


def test_the_digest_knows_the_options_that_shape_vectors(minilm):
    assert minilm.digest() == build(max_characters=5).digest()
    assert (
        len({minilm.digest(), build(max_tokens=7).digest(), build(encoder="hashing").digest()}) == 3
    )


@pytest.mark.parametrize("raw", ["x" * 11, b"bytes", 3, "\ud800"])
def test_bad_text_is_refused_with_its_field(raw):
    with pytest.raises(BadInput, match="title: got"):
        build(encoder="hashing", max_characters=10).check(raw)


def test_wrong_options_are_refused():
    with pytest.raises(UsageError, match="max_tokens"):
        build(max_tokens=1)
