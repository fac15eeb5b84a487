"""Headers of every answer that keep a browser from misusing it."""

from collections.abc import MutableMapping
from typing import Any

from starlette.datastructures import MutableHeaders
from starlette.types import Message, Scope, Send

PAGE_POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' data: blob:",
        "media-src 'self' data: blob:",
        "connect-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
    )
)
"""A page of the service uses its own files alone, and nobody may put it into a frame."""
_ALWAYS = {
    "Content-Security-Policy": PAGE_POLICY,
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(self), geolocation=(), microphone=(self)",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}
_TLS = {"Strict-Transport-Security": "max-age=31536000"}


def safe(scope: Scope, send: Send) -> Send:
    """A channel that adds the headers that an answer does not set itself, and names no server.

    What is under ``/v1`` is kept by no cache unless it says so itself.
    """
    added = dict(_ALWAYS)
    if scope.get("scheme") == "https":
        added |= _TLS
    if scope["path"].startswith("/v1"):
        added["Cache-Control"] = "no-store"

    async def with_headers(message: Message) -> None:
        if message["type"] == "http.response.start":
            _add(message, added)
        await send(message)

    return with_headers


def _add(message: MutableMapping[str, Any], added: dict[str, str]) -> None:
    message.setdefault("headers", [])
    headers = MutableHeaders(scope=message)
    for name, value in added.items():
        headers.setdefault(name, value)
    if "server" in headers:
        del headers["server"]
