"""Answers as a service notes them."""

from serving.store.answers import Answered
from serving.store.ids import new_id


def answered(time=1_000_000.0, **more):
    """A record that was classified at a time."""
    known = {
        "id": new_id(time), "time": time, "endpoint": "classify", "model": "tiny", "version": 3,
        "package_digest": "d" * 64, "token": "shop", "modalities": ["text", "image"],
        "outputs": {"labels": {"ring": 0.75}}, "seconds": 0.01, "abstained": False,
    }  # fmt: skip
    return Answered(**known | more)
