"""Addresses of the previews of records."""

from collections.abc import Iterable
from urllib.parse import quote


def media_of(record: str, modalities: Iterable[str]) -> dict[str, str]:
    """Modality to the address of its preview."""
    return {
        name: f"/v1/records/{quote(record, safe='')}/media/{quote(name, safe='')}"
        for name in modalities
    }
