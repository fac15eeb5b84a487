"""A client of a running endpoint; a refused request raises one clear sentence.

Example:
    from serving.client import Client

    with Client() as concord:
        print(concord.classify([{"name": "LEFTWARDS ARROW"}])["answers"][0]["label"])
"""

import os
import time
from collections.abc import Mapping, Sequence
from typing import Any, cast
from urllib.parse import quote

import httpx

from components.core.errors import UsageError, UserError
from components.core.names import FUSED
from serving.defaults import HITS, URL
from serving.sending import TOKEN, as_json, bearer, checked

_SECONDS = 60.0
_BUSY = (429, 503)
_PAUSE = 0.5
"""Seconds before a busy endpoint is asked again if it sent no ``Retry-After``."""

Record = Mapping[str, Any]
"""Modality to ``bytes`` or ``Path`` (media), text, or fields."""


class NoEndpoint(UserError):
    """Nothing answers at the address."""


class Client:
    """A connection to one endpoint; a context manager.

    Where the endpoint is busy (HTTP 429 or 503), the request is sent again after the time that it
    asks for, as long as ``seconds`` allow. All methods raise ``NoEndpoint`` where nothing answers,
    and ``UserError`` where the request was refused: the message names field, got and wanted.

    Args:
        url: where it answers.
        token: sent with every request; by default ``CONCORD_TOKEN`` of the environment.
        seconds: for one answer, waiting included.
        transport: another way to reach it (tests).

    Raises:
        UsageError: the address is not one, or the token is not one line of ASCII.
    """

    def __init__(
        self,
        url: str = URL,
        *,
        token: str | None = None,
        seconds: float = _SECONDS,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        self.url, self._seconds = checked(url).rstrip("/"), seconds
        # Proxies of the environment are for the internet, not for the machine's own endpoint.
        self._http = httpx.Client(
            base_url=self.url,
            timeout=seconds,
            trust_env=False,
            transport=transport,
            headers=bearer(token if token is not None else os.environ.get(TOKEN, "")),
        )

    def __enter__(self) -> "Client":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End the connection."""
        self._http.close()

    def classify(self, records: Sequence[Record], *, explain: bool = False) -> dict[str, Any]:
        """Classify records; ``explain`` adds the answer of each modality alone."""
        more = {"explain": True} if explain else {}
        return self._post("/v1/classify", {"records": _several(records), **more})

    def embed(self, records: Sequence[Record]) -> dict[str, Any]:
        """The unit vectors of records: one for each modality that a record has, and ``fused``."""
        return self._post("/v1/embed", {"records": _several(records)})

    def search(
        self,
        query: Record | None = None,
        *,
        target: str = FUSED,
        by: str | None = None,
        k: int = HITS,
        labels: Sequence[str] | None = None,
        **options: Any,  # noqa: ANN401 - JSON
    ) -> dict[str, Any]:
        """Find records.

        Args:
            query: a record with any of the modalities.
            target: what is searched: a modality, or ``fused``.
            by: search by this modality of the query alone.
            k: hits wanted.
            labels: only records with one of these labels.
            options: what else ``POST /v1/search`` takes: ``id``, ``like``, ``unlike``, ``after``,
                ``filter``, ``hubness``, ``explain``.
        """
        body: dict[str, Any] = {"target": target, "by": by, "k": k, **options}
        if query is not None:
            body["query"] = as_json(query)
        for name in ("like", "unlike"):
            body |= {name: [_part(p) for p in body[name]]} if body.get(name) else {}
        if labels is not None:
            body["filter"] = {"labels": list(labels)}
        return self._post("/v1/search", body)

    def upsert(self, id_: str, record: Record, label: str | Sequence[str] | None = None) -> Any:  # noqa: ANN401
        """Write a record into the index, new or in the place of the one with this id."""
        body = {"record": as_json(record), **({} if label is None else {"label": label})}
        return self._read(self._send("PUT", _record(id_), json=body))

    def upsert_all(self, records: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        """Write many records, each with ``id``, ``record`` and perhaps ``label``."""
        sent = [{**each, "record": as_json(each["record"])} for each in records]
        return self._post("/v1/records", {"records": sent})

    def delete(self, ids: Sequence[str]) -> dict[str, Any]:
        """Take records out of the index."""
        return self._post("/v1/records/delete", {"ids": list(ids)})

    def get(self, id_: str) -> dict[str, Any]:
        """What the index knows of a record."""
        return self._read(self._send("GET", _record(id_)))

    def review(self, k: int = HITS) -> dict[str, Any]:
        """Records without a label that the model is least sure of, or whose modalities disagree."""
        return self._read(self._send("GET", "/v1/review", params={"k": k}))

    def feedback(
        self,
        answer_id: str | None = None,
        *,
        record_id: str | None = None,
        **judgement: Any,  # noqa: ANN401
    ) -> dict[str, Any]:
        """Judge an earlier answer, or label a record of the index.

        Args:
            answer_id: of the answer.
            record_id: of the record, where no answer is meant.
            judgement: ``label``, ``labels`` or ``relevant``; ``item`` and ``note`` where needed.
        """
        whose = {"answer_id": answer_id, "record_id": record_id}
        named = {name: value for name, value in whose.items() if value is not None}
        return self._post("/v1/feedback", {**named, **judgement})

    def withdraw(self, feedback_id: str) -> dict[str, Any]:
        """Withdraw all feedback of this token on one answer or record."""
        return self._read(self._send("DELETE", f"/v1/feedback/{quote(feedback_id, safe='')}"))

    def model(self) -> dict[str, Any]:
        """The model behind the endpoint."""
        return self._read(self._send("GET", "/v1/model"))

    def media(self, address: str) -> bytes:
        """Fetch a preview by the address in a hit."""
        response = self._send("GET", address)
        if response.is_error:
            self._read(response)
        return response.content

    def _post(self, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
        return self._read(self._send("POST", path, json=body))

    def _send(self, method: str, path: str, **options: Any) -> httpx.Response:  # noqa: ANN401 - httpx's own options
        end = time.monotonic() + self._seconds
        while True:
            response = self._once(method, path, end - time.monotonic(), **options)
            if response.status_code not in _BUSY:
                return response
            pause = _retry_after(response)
            if time.monotonic() + pause >= end:
                return response
            time.sleep(pause)

    def _once(self, method: str, path: str, seconds: float, **options: Any) -> httpx.Response:  # noqa: ANN401
        try:
            # Work that nobody waits for any more is given up there.
            deadline = {"X-Concord-Deadline-Ms": str(max(int(1000 * seconds), 1))}
            return self._http.request(method, path, timeout=seconds, headers=deadline, **options)
        except httpx.TimeoutException as error:
            raise UserError(
                f"{self.url} did not answer within {self._seconds:.0f} s; try fewer records"
            ) from error
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise NoEndpoint(
                f"nothing answers at {self.url} ({error}); start the endpoint "
                "with `concord serve`, or give its address with --url"
            ) from error

    def _read(self, response: httpx.Response) -> dict[str, Any]:
        try:
            body = response.json()
        except ValueError:
            body = None
        if response.is_success and isinstance(body, dict):
            return cast(dict[str, Any], body)
        status = response.status_code
        if status in _BUSY:
            raise UserError(f"{self.url} is busy (HTTP {status}); try again in a moment")
        if isinstance(body, dict) and "message" in body:
            token = f"; set {TOKEN} to a token for it" if status == httpx.codes.UNAUTHORIZED else ""
            raise UserError(
                f"{self.url} refused the request (HTTP {status}): {body['message']}{token}"
            )
        raise UserError(
            f"{self.url} answered with HTTP {status} and not as Concord does;"
            " is it the right address?"
        )


def _retry_after(response: httpx.Response) -> float:
    """Seconds that a busy endpoint asks for."""
    given = response.headers.get("Retry-After", "")
    return float(given) if given.isdecimal() else _PAUSE


def _record(id_: str) -> str:
    return f"/v1/records/{quote(id_, safe='')}"


def _several(records: Sequence[Record]) -> list[dict[str, Any]]:
    """Records as JSON.

    Raises:
        UsageError: one record in the place of a list.
    """
    if isinstance(records, Mapping):
        raise UsageError("records: got one record, wanted a list; put it in brackets: [record]")
    return [as_json(record) for record in records]


def _part(part: Mapping[str, Any]) -> dict[str, Any]:
    """A part of a mixed query: a record or an id, with its weight."""
    query = part.get("query")
    return {**part, **({} if query is None else {"query": as_json(query)})}
