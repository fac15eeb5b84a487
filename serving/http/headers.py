"""Headers of every answer that keep a browser from misusing it."""

import base64
import hashlib
import re
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
ALWAYS = {
    "Content-Security-Policy": PAGE_POLICY,
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(self), geolocation=(), microphone=(self)",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}
"""Every answer has these."""
_TLS = {"Strict-Transport-Security": "max-age=31536000"}


def docs_policy(page: bytes) -> str:
    """The policy of the OpenAPI page, which has a script of its own and styles in its elements.

    Args:
        page: in HTML; its scripts are allowed by their digests.
    """
    scripts = re.findall(rb"<script>(.*?)</script>", page, re.DOTALL)
    digests = (base64.b64encode(hashlib.sha256(s).digest()).decode("ascii") for s in scripts)
    allowed = " ".join(f"'sha256-{digest}'" for digest in digests)
    return PAGE_POLICY.replace("script-src 'self'", f"script-src 'self' {allowed}").replace(
        "style-src 'self'", "style-src 'self' 'unsafe-inline'"
    )


def safe(scope: Scope, send: Send) -> Send:
    """A channel that adds the headers that an answer does not set itself, and names no server.

    What is under ``/v1`` is kept by no cache unless it says so itself.
    """
    added = dict(ALWAYS)
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
