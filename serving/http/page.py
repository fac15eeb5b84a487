"""The page for people at ``/``: a few files of the service's own, `serving.ui`.

A browser asks anew for each of them, and gets nothing new while its copy is the same, so that the
page fits the service behind it after every update.
"""

import hashlib
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from fastapi import FastAPI, HTTPException, Request
from fastapi.responses import Response

from serving.http.headers import PAGE_POLICY

_FOLDER = Path(__file__).parents[1] / "ui"
_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}
_FIRST = "index.html"


@dataclass(frozen=True, kw_only=True)
class _File:
    content: bytes
    type: str
    tag: str


@cache
def _files() -> dict[str, _File]:
    """The files by name; nothing else can be asked for."""
    found = {}
    for path in sorted(p for p in _FOLDER.iterdir() if p.suffix in _TYPES):
        content = path.read_bytes()
        tag = f'"{hashlib.sha256(content).hexdigest()[:16]}"'
        found[path.name] = _File(content=content, type=_TYPES[path.suffix], tag=tag)
    return found


def add(app: FastAPI) -> None:
    """Add the page to the application of a unit."""

    @app.api_route("/", methods=["GET", "HEAD"], include_in_schema=False)
    async def first(request: Request) -> Response:
        return _answer(request, _FIRST)

    @app.api_route("/ui/{name}", methods=["GET", "HEAD"], include_in_schema=False)
    async def file(request: Request, name: str) -> Response:
        return _answer(request, name)


def _answer(request: Request, name: str) -> Response:
    if (found := _files().get(name)) is None:
        raise HTTPException(404, "there is no such file of the page")
    headers = {
        "Cache-Control": "no-cache",
        "Content-Security-Policy": PAGE_POLICY,
        "ETag": found.tag,
        "X-Content-Type-Options": "nosniff",
    }
    if request.headers.get("if-none-match") == found.tag:
        return Response(status_code=304, headers=headers)
    return Response(found.content, media_type=found.type, headers=headers)
