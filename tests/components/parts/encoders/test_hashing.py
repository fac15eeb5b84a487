import numpy as np

from components.parts import loading as parts


def build(**options):
    config = parts.configure("encoders", "hashing", options)
    return parts.load("encoders", "hashing").build(config, kind=None)


def test_hashing_is_of_unit_length_stable_and_tells_texts_apart():
    hashing = build(buckets=256)
    found = hashing.encode(["red shoe", "red shoe", "RED  shoe!", "blue hat", "?!"])
    assert np.array_equal(found[0], found[1])
    assert np.array_equal(found[0], found[2])
    assert np.allclose(np.linalg.norm(found[:4], axis=1), 1)
    assert found[0] @ found[3] < 0.5
    assert not found[4].any()


def test_the_digest_knows_the_buckets():
    assert build().digest() != build(buckets=8).digest()
    assert build().digest() == build(dropout=0.5).digest()
