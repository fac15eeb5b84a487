"""The split of a record, decided once and for all by a salted hash."""

import hashlib
from collections.abc import Sequence

from components.data.manifest import Split

SPLITS = ("train", "val", "test")
NEEDED = ("train", "test")
"""Splits without which no run can learn and measure; validation records are needed by choice."""


def assign(keys: Sequence[str], split: Split) -> list[str]:
    """Split of each key (the record's group, else its id).

    The first 8 bytes of SHA-256 over salt and key are a number u in [0, 1): test below ``test``,
    then val, then train. The split depends on nothing else, so a record never changes its split as
    data are added, and records with the same key stay together.

    >>> assign(["a", "b", "a"], Split(salt="s", validation=0.3, test=0.3))
    ['val', 'train', 'val']
    """
    prefix = hashlib.sha256(len(split.salt.encode()).to_bytes(8, "little") + split.salt.encode())
    result = []
    for key in keys:
        sha = prefix.copy()
        sha.update(key.encode())
        u = int.from_bytes(sha.digest()[:8], "little") / 2**64
        result.append(
            "test" if u < split.test else "val" if u < split.test + split.validation else "train"
        )
    return result
