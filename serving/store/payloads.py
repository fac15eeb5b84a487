"""Values of a record as text that any database keeps."""

import base64
import json
from collections.abc import Mapping
from typing import Any

_BYTES = "base64"


def written(record: Mapping[str, Any]) -> str:
    """A record in ASCII.

    Args:
        record: modality to ``bytes``, text, or fields.

    >>> written({"image": b"P5", "text": "ring"})
    '{"image": {"base64": "UDU="}, "text": "ring"}'
    """
    return json.dumps(
        {
            name: {_BYTES: base64.b64encode(value).decode("ascii")}
            if isinstance(value, bytes)
            else value
            for name, value in record.items()
        }
    )


def read(text: str) -> dict[str, Any]:
    """The record that was written.

    >>> read(written({"image": b"P5", "text": "ring"}))
    {'image': b'P5', 'text': 'ring'}
    """
    return {
        name: base64.b64decode(value[_BYTES])
        if isinstance(value, dict) and value.keys() == {_BYTES}
        else value
        for name, value in json.loads(text).items()
    }
