"""The refusal of malformed HTTP, which the server answers before any application sees it.

uvicorn has no setting for its words, and BentoML makes uvicorn's server itself, so the method that
sends them is replaced.
"""

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

from serving.http.headers import ALWAYS
from serving.http.refusals import refusal


def refuse_in_words() -> None:
    """Let this process refuse it as it refuses everything else; httptools keeps uvicorn's words."""
    H11Protocol.send_400_response = _refuse  # type: ignore[method-assign, assignment]


def _refuse(self: H11Protocol, _: str) -> None:
    if self.conn.our_state in (h11.IDLE, h11.SEND_RESPONSE):  # else an answer has begun
        problem = {
            "field": "request",
            "got": "something other than HTTP/1.1",
            "wanted": "a valid request",
        }
        answer = refusal(400, [problem], headers={**ALWAYS, "Connection": "close"})
        for event in (
            h11.Response(status_code=400, headers=answer.raw_headers, reason=b"Bad Request"),
            h11.Data(data=bytes(answer.body)),
            h11.EndOfMessage(),
        ):
            self.transport.write(self.conn.send(event))
    self.transport.close()
