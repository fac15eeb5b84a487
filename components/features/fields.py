"""Fields of a record, from the preview of a modality of fields."""

import json
from typing import Any


def fields_of(preview: bytes | str | None) -> dict[str, Any]:
    """The fields of a modality of fields, by column, as its preview shows them."""
    if not isinstance(preview, str):
        return {}
    try:
        found = json.loads(preview)
    except ValueError:  # the preview of a user's own kind may be any text
        return {}
    return found if isinstance(found, dict) else {}
