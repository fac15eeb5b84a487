"""Requests over TLS to servers that go away, or are others than the kubeconfig's."""

import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import yaml

from components.core.errors import UserError
from infra.connection import connect
from infra.transport import Transport, Unreachable
from tests.serving.test_tls import written

ANSWER = (
    b'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 11\r\n\r\n{"ok": "1"}'
)


@contextmanager
def server(certificate, key, *, leaves: int) -> Iterator[int]:
    """Answers over TLS, but closes so many connections first, as a server that restarts does."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    listening = socket.create_server(("127.0.0.1", 0))

    def run() -> None:
        for number in range(1_000):
            try:
                raw, _ = listening.accept()
            except OSError:
                return
            with raw:
                raw.settimeout(5)
                if number < leaves:
                    raw.recv(10_000)  # all of it, so that the end is no reset
                    continue
                try:
                    with context.wrap_socket(raw, server_side=True) as secure:
                        secure.recv(10_000)
                        secure.sendall(ANSWER)
                except OSError:  # who does not trust the certificate hangs up
                    continue

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    try:
        yield listening.getsockname()[1]
    finally:
        listening.shutdown(socket.SHUT_RDWR)
        listening.close()
        thread.join(10)


def transport(folder, port, authority, budget_s):
    """To that server, with a kubeconfig that trusts a certificate."""
    cluster = {"server": f"https://127.0.0.1:{port}", "certificate-authority": str(authority)}
    tree = {
        "apiVersion": "v1", "kind": "Config", "current-context": "it",
        "clusters": [{"name": "it", "cluster": cluster}],
        "users": [{"name": "it", "user": {"token": "t"}}],
        "contexts": [{"name": "it", "context": {"cluster": "it", "user": "it"}}],
    }  # fmt: skip
    place = folder / "kubeconfig"
    place.write_text(yaml.safe_dump(tree))
    return Transport(lambda: connect(None, str(place)), say=lambda _: None, budget_s=budget_s)


def test_a_server_that_restarts_in_the_middle_of_a_handshake_is_asked_again(tmp_path):
    certificate, key = written(tmp_path, "own")
    with server(certificate, key, leaves=2) as port:
        assert transport(tmp_path, port, certificate, 30).call("GET", "/it") == {"ok": "1"}


def test_a_server_that_never_finishes_a_handshake_is_unreachable(tmp_path):
    certificate, key = written(tmp_path, "own")
    with server(certificate, key, leaves=1_000) as port, pytest.raises(Unreachable, match="SSL"):
        transport(tmp_path, port, certificate, 0.5).call("GET", "/it")


def test_another_server_s_certificate_is_told_at_once(tmp_path):
    certificate, key = written(tmp_path, "own")
    other, _ = written(tmp_path, "other")
    with (
        server(certificate, key, leaves=0) as port,
        pytest.raises(UserError, match="is not the one of the kubeconfig: got a certificate"),
    ):
        transport(tmp_path, port, other, 30).call("GET", "/it")
