"""A recording proxy that injects the faults of networks and API servers into requests."""

import json
import random
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import parse_qsl, urlsplit

import yaml

from infra.connection import connect

KINDS = ("watch_closed", "gone", "throttled", "server_error", "token_expired", "slow", "cut_after")
_GONE = {
    "kind": "Status",
    "apiVersion": "v1",
    "status": "Failure",
    "reason": "Expired",
    "message": "too old",
    "code": 410,
}


@dataclass(frozen=True, kw_only=True)
class Fired:
    """A fault injected into a request."""

    kind: str
    request: str
    active: bool
    """Whether the Job was active at that moment."""


class Proxy:
    """Serves on 127.0.0.1 with its own token; ``kubeconfig`` points to it.

    Args:
        folder: takes the kubeconfig.
        upstream: kubeconfig of the real server.
        seed: of everything that is random.
        active: whether the Job that is hurt is active now.
    """

    def __init__(
        self, folder: Path, upstream: str, *, seed: int, active: Callable[[], bool]
    ) -> None:
        self.kubeconfig = folder / "kubeconfig"
        self.send = connect(None, upstream)
        self.random = random.Random(seed)
        self.fired: list[Fired] = []
        self.requests = 0
        self._active, self._lock = active, threading.RLock()
        self._armed: list[str] = []
        self._streams: dict[int, str] = {}
        self._server = ThreadingHTTPServer(
            ("127.0.0.1", 0), type("Bound", (_Handler,), {"proxy": self})
        )
        self._server.daemon_threads = True
        self._renew()

    def __enter__(self) -> Self:
        threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True
        ).start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.disarm()
        self._server.shutdown()
        self._server.server_close()

    def arm(self, kind: str) -> None:
        """Inject a fault into the next requests; open watches end, so that new requests come."""
        with self._lock:
            if kind == "token_expired":
                self._armed = [kind]
                threading.Timer(self.random.uniform(0, 3), self._renew).start()
                self.token = (
                    f"{self.random.random()}"  # unknown to all until the kubeconfig is written
                )
            else:
                self._armed = [kind] * self.random.randint(1, 4)
            for number in self._streams:
                self._streams[number] = kind if kind in ("watch_closed", "gone") else "closed"

    def disarm(self) -> None:
        """Stop injecting faults."""
        with self._lock:
            self._armed = []

    def note(self, kind: str, request: str) -> None:
        """Record an injected fault."""
        self.fired.append(Fired(kind=kind, request=request, active=self._active()))

    def chosen(self, *, watch: bool, create: bool) -> str:
        """The fault for a new request; empty for none."""
        with self._lock:
            if not self._armed or self._armed[0] == "token_expired":
                return ""
            if self._armed[0] in ("watch_closed", "gone") and not watch:
                return ""
            if self._armed[0] == "cut_after" and create is False and watch:
                return ""
            return self._armed.pop()

    def opened(self, stream: int) -> None:
        """A stream begins."""
        with self._lock:
            self._streams[stream] = ""

    def ending(self, stream: int) -> str:
        """How a stream ends now; empty while it continues."""
        with self._lock:
            return self._streams.get(stream, "closed")

    def ended(self, stream: int) -> None:
        """A stream is over."""
        with self._lock:
            self._streams.pop(stream, None)

    def _renew(self) -> None:
        """Write a kubeconfig with a new token."""
        host, port = self._server.server_address[:2]
        self.token = f"{self.random.random()}"
        tree = {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "proxy",
            "clusters": [{"name": "proxy", "cluster": {"server": f"http://{host!s}:{port}"}}],
            "users": [{"name": "proxy", "user": {"token": self.token}}],
            "contexts": [{"name": "proxy", "context": {"cluster": "proxy", "user": "proxy"}}],
        }
        self.kubeconfig.write_text(yaml.safe_dump(tree), encoding="utf-8")


class _Handler(BaseHTTPRequestHandler):
    """One connection."""

    protocol_version = "HTTP/1.1"
    proxy: Proxy

    def log_message(self, *_: object) -> None:
        """Keep quiet."""

    def do_GET(self) -> None:
        self._serve("GET")

    def do_POST(self) -> None:
        self._serve("POST")

    def do_DELETE(self) -> None:
        self._serve("DELETE")

    def _serve(self, method: str) -> None:
        with suppress(OSError):  # the client disconnected
            self._handle(method)

    def _handle(self, method: str) -> None:
        parts, proxy = urlsplit(self.path), self.proxy
        query = dict(parse_qsl(parts.query))
        length = int(self.headers.get("Content-Length") or 0)
        body = json.loads(self.rfile.read(length)) if length else None
        request = f"{method} {self.path}"
        proxy.requests += 1
        if self.headers.get("Authorization") != f"Bearer {proxy.token}":
            proxy.note("token_expired", request)
            return self._answer(401, {"message": "Unauthorized"})
        watch = query.get("watch") == "true"
        fault = proxy.chosen(watch=watch, create=method == "POST")
        if fault == "slow":
            proxy.note(fault, request)
            time.sleep(proxy.random.choice([1, 3, 17]))  # the last exceeds every timeout
        if fault in ("throttled", "server_error") or (
            fault == "gone" and proxy.random.random() < 0.5
        ):
            proxy.note(fault, request)
            status = {"throttled": 429, "gone": 410}.get(fault) or proxy.random.choice(
                [500, 503, 504]
            )
            return self._answer(
                status, {"message": f"injected {status}", "code": status}, {"Retry-After": "1"}
            )
        return self._forward(method, parts.path, query, body, fault, request)

    def _forward(
        self, method: str, path: str, query: dict[str, str], body: Any, fault: str, request: str
    ) -> None:
        try:
            response = self.proxy.send(method, path, query=query, body=body, timeout=(5.0, 70.0))
        except Exception as error:  # the real server is down: so is this one
            self.close_connection = True
            return self._answer(502, {"message": f"{type(error).__name__}"})
        if query.get("watch") == "true" or query.get("follow") == "true":
            return self._stream(response, fault, request)
        data = response.data
        if fault == "cut_after":
            self.proxy.note(fault, request)
            self.close_connection = True
            self.wfile.write(
                b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n" + data[: len(data) // 2]
            )
            return None
        return self._answer(response.status, data)

    def _stream(self, response: Any, fault: str, request: str) -> None:
        self.send_response(response.status)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        number, watch = id(response), "watch=" in request
        self.proxy.opened(number)
        end = (
            time.monotonic() + self.proxy.random.uniform(0, 1)
            if fault in ("watch_closed", "gone")
            else None
        )
        source = _Pump(response)
        try:
            while (chunk := source.next(0.1)) is not None:
                if chunk:
                    self._chunk(chunk)
                asked = self.proxy.ending(number) or (
                    fault if end and time.monotonic() > end else ""
                )
                if asked and (watch or asked == "watch_closed"):
                    if asked != "closed":
                        self.proxy.note(asked, request)
                    if asked == "gone" and watch:
                        self._chunk(json.dumps({"type": "ERROR", "object": _GONE}).encode() + b"\n")
                    self.close_connection = True
                    return
            self.wfile.write(b"0\r\n\r\n")
        finally:
            self.proxy.ended(number)
            source.close()

    def _chunk(self, data: bytes) -> None:
        self.wfile.write(f"{len(data):x}\r\n".encode() + data + b"\r\n")
        self.wfile.flush()

    def _answer(self, status: int, content: Any, headers: dict[str, str] | None = None) -> None:
        data = content if isinstance(content, bytes) else json.dumps(content).encode()
        self.send_response(status)
        for key, value in {
            "Content-Type": "application/json",
            "Content-Length": str(len(data)),
            **(headers or {}),
        }.items():
            self.send_header(key, value)
        self.end_headers()
        self.wfile.write(data)


class _Pump:
    """Reads a stream in a thread, so that its consumer can stop between lines."""

    def __init__(self, response: Any) -> None:
        self._response = response
        self._chunks: list[bytes | None] = []
        self._ready = threading.Condition()
        threading.Thread(target=self._run, daemon=True).start()

    def next(self, wait: float) -> bytes | None:
        """The next data, empty if none came, None at the end."""
        with self._ready:
            if not self._chunks:
                self._ready.wait(wait)
            return self._chunks.pop(0) if self._chunks else b""

    def close(self) -> None:
        """Close the upstream connection."""
        with suppress(Exception):
            self._response.shutdown()

    def _run(self) -> None:
        with suppress(Exception):
            for chunk in self._response.stream(amt=None):
                self._put(chunk)
        self._put(None)

    def _put(self, chunk: bytes | None) -> None:
        with self._ready:
            self._chunks.append(chunk)
            self._ready.notify()
