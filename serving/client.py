"""A client of a running endpoint; a refused request raises one clear sentence."""

import base64
import math
from collections.abc import Mapping, Sequence
from datetime import date, time
from decimal import Decimal
from pathlib import Path
from typing import Any, cast

import httpx

from components.core.errors import BadInput, UsageError, UserError
from components.core.names import FUSED
from components.core.values import as_text, is_empty, plain
from serving.defaults import HITS, URL

_SECONDS = 60.0
_BUSY = (429, 503)


class Client:
    """A connection to one endpoint; a context manager.

    Args:
        url: where it answers, such as ``http://127.0.0.1:3000``.
        transport: another way to reach it (tests).

    Raises:
        UsageError: the address is not one.
    """

    def __init__(
        self, url: str, *, seconds: float = _SECONDS, transport: httpx.BaseTransport | None = None
    ) -> None:
        self.url = _checked(url).rstrip("/")
        # Proxies of the environment are for the internet, not for the machine's own endpoint.
        self._http = httpx.Client(
            base_url=self.url, timeout=seconds, trust_env=False, transport=transport
        )

    def __enter__(self) -> "Client":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End the connection."""
        self._http.close()

    def classify(self, records: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        """Classify records, each a mapping of modality to ``bytes`` (media), text, or fields.

        Raises:
            UserError: nothing answers there, or the request was refused; the message names field,
                got and wanted.
        """
        return self._post("/v1/classify", {"records": [_json(r) for r in records]})

    def search(
        self,
        query: Mapping[str, Any],
        *,
        target: str = FUSED,
        by: str | None = None,
        k: int = HITS,
        labels: Sequence[str] | None = None,
    ) -> dict[str, Any]:
        """Find records; see ``POST /v1/search``.

        Raises:
            UserError: nothing answers there, or the request was refused; the message names field,
                got and wanted.
        """
        body: dict[str, Any] = {"query": _json(query), "target": target, "by": by, "k": k}
        if labels is not None:
            body["filter"] = {"labels": list(labels)}
        return self._post("/v1/search", body)

    def model(self) -> dict[str, Any]:
        """The model behind the endpoint.

        Raises:
            UserError: nothing answers there.
        """
        return self._read(self._send("GET", "/v1/model"))

    def media(self, address: str) -> bytes:
        """Fetch a preview by the address in a hit.

        Raises:
            UserError: nothing answers there, or the preview does not exist.
        """
        response = self._send("GET", address)
        if response.is_error:
            self._read(response)
        return response.content

    def _post(self, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
        return self._read(self._send("POST", path, json=body))

    def _send(self, method: str, path: str, **options: Any) -> httpx.Response:  # noqa: ANN401 - httpx's own options
        try:
            return self._http.request(method, path, **options)
        except httpx.TimeoutException as error:
            raise UserError(
                f"{self.url} did not answer within {self._http.timeout.read:.0f} s;"
                " try fewer records"
            ) from error
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise UserError(
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
        if response.status_code in _BUSY:
            raise UserError(
                f"{self.url} is busy (HTTP {response.status_code}); try again in a moment"
            )
        if isinstance(body, dict) and "message" in body:
            raise UserError(
                f"{self.url} refused the request (HTTP {response.status_code}): {body['message']}"
            )
        raise UserError(
            f"{self.url} answered with HTTP {response.status_code} and not as Concord does;"
            " is it the right address?"
        )


def _checked(url: str) -> str:
    """An address that a client can use.

    Raises:
        UsageError: it is not one.
    """
    try:
        found = httpx.URL(url)
        found.host.encode("idna")
        usable = found.scheme in {"http", "https"} and found.host and (found.port or 1) < 2**16
    except (httpx.InvalidURL, UnicodeError):
        usable = False
    if not usable:
        raise UsageError(f"got the address {url!r}, wanted one such as {URL}")
    return url


def _json(record: Mapping[str, Any]) -> dict[str, Any]:
    return {name: _value(name, value) for name, value in record.items() if value is not None}


def _value(name: str, value: object) -> object:
    if isinstance(value, Path):
        value = value.read_bytes()
    if isinstance(value, bytes):
        return base64.b64encode(value).decode("ascii")
    if isinstance(value, Mapping):
        return {column: _cell(f"{name}.{column}", cell) for column, cell in value.items()}
    return value


def _cell(where: str, cell: Any) -> Any:  # noqa: ANN401
    """A field as JSON holds it, from a data set or a data frame."""
    cell = plain(cell)
    if is_empty(cell):
        return None
    if isinstance(cell, list | tuple | set):
        return [_cell(where, member) for member in cell]
    if isinstance(cell, Decimal):
        cell = float(cell)
    if isinstance(cell, float) and not math.isfinite(cell):
        raise BadInput(where, repr(cell), "a finite number or null")
    return as_text(cell) if isinstance(cell, date | time) else cell
