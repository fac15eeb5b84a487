"""Time of one question by ``concord classify``: ``python -m benchmarks.cli_asking``.

An endpoint that answers at once stands for the service, so that the command alone is timed.
"""

import json
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from benchmarks import _timing

_ANSWER = json.dumps({"answers": [{"label": "a", "probabilities": {"a": 0.9, "b": 0.1}}]}).encode()


class _Endpoint(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        """Answer every request alike."""
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(200)
        self.send_header("Content-Length", str(len(_ANSWER)))
        self.end_headers()
        self.wfile.write(_ANSWER)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


def main() -> None:
    """Time both in turn."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Endpoint)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    url = f"http://127.0.0.1:{server.server_port}"
    command = [sys.executable, "-m", "flows.cli", "classify", "--url", url, "--text", "text=x"]
    asking, python, ratio = _timing.paired(command, [sys.executable, "-c", ""])
    server.shutdown()
    _timing.report(
        "cli_asking",
        seconds=asking,
        empty_python_seconds=python,
        ratio=ratio,
        target="at most 0.5 s",
        met=asking <= 0.5,
    )


if __name__ == "__main__":
    main()
