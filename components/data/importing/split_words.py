"""The words that data sets use for splits, and splits that a data set does not give."""

from collections.abc import Sequence

from components.data.manifest import Split
from components.data.splits import SPLITS, assign

WORDS = {
    "train": ("train", "training", "trn", "tr"),
    "val": ("val", "valid", "validation", "validate", "validating", "dev", "development", "eval"),
    "test": ("test", "testing", "tst", "heldout", "holdout"),
}
"""Usual words for each split, in lower case and without separators."""
UNLABELLED = ("unsupervised", "unsup", "unlabelled", "unlabeled")
"""Usual words for training records without labels."""
_SPLIT_OF = {word: split for split, words in WORDS.items() for word in words}


def split_of(word: str) -> str | None:
    """The split that a word means, or None.

    >>> [split_of(word) for word in ("Validation", " dev", "held-out", "TRAIN", "fold 3")]
    ['val', 'val', 'test', 'train', None]
    """
    plain = "".join(letter for letter in word.casefold() if letter.isalnum())
    return _SPLIT_OF.get(plain)


def completed(splits: Sequence[str | None], keys: Sequence[str]) -> tuple[list[str | None], str]:
    """Take the validation or test records that are not given out of the training records.

    Args:
        splits: the given split of each record.
        keys: its group, else its id; a hash of it decides.

    Returns:
        The splits, and a sentence about what was taken; it is empty if nothing was.
    """
    missing = [s for s in SPLITS if s not in splits]
    if not missing or "train" in missing:
        return list(splits), ""
    hashed = assign(keys, Split())
    made = [h if s == "train" and h in missing else s for s, h in zip(splits, hashed, strict=True)]
    counts = " and ".join(f"{made.count(s):,} for {s}" for s in missing)
    return made, (
        f"split: no records are given for {' and '.join(missing)}; a hash takes {counts} from "
        "the training records, always the same ones; all others stay as given"
    )
