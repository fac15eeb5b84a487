"""A stop under load: whoever is connected is answered, and then told to connect no more."""

import http.client
import json
import signal
import threading
import time

from serving.process import start, stop
from tests.serving.conftest import free_port

BODY = json.dumps({"records": [{"text": "ring " * 50}] * 5})
CLIENTS = 6


def asking(port, seen, ended):
    """One kept connection that asks until it is told to close; what was lost is noted."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    while not ended.is_set():
        try:
            connection.request("POST", "/v1/classify", BODY, {"Content-Type": "application/json"})
            response = connection.getresponse()
            response.read()
        except (OSError, http.client.HTTPException) as error:
            seen.append(repr(error))
            return
        seen.append(response.status)
        if response.getheader("connection") == "close":
            return


def test_sigterm_under_load_loses_no_request_of_whoever_is_connected(bento, tmp_path):
    port = free_port()
    endpoint = start(
        bento, host="127.0.0.1", port=port, version=1, log=tmp_path / "log"
    )  # fmt: skip
    seen, ended = [], threading.Event()
    clients = [threading.Thread(target=asking, args=(port, seen, ended)) for _ in range(CLIENTS)]
    try:
        for client in clients:
            client.start()
        while len(seen) < 3 * CLIENTS:
            time.sleep(0.01)
        endpoint.process.send_signal(signal.SIGTERM)
        for client in clients:
            client.join(30)
        assert not any(client.is_alive() for client in clients)
        assert set(seen) <= {200, 429}
        assert endpoint.process.wait(30) == 0
    finally:
        ended.set()
        stop(endpoint)
