"""Clients of a service whose versions are swapped: they classify, search, write and read."""

import asyncio
import time
from collections import Counter
from pathlib import Path
from typing import Any

import httpx

_CLIENTS = 8
_RECORDS = 2000  # a multiple of the clients, so that each of them writes its own


class Asking:
    """Clients that ask and write until the file that ends it appears.

    Args:
        plan: address, records to ask with, classes, and seconds between two rounds of a client.
    """

    def __init__(self, plan: dict[str, Any]) -> None:
        self._plan, self._end = plan, Path(plan["end"])
        self._seen: Counter[str] = Counter()
        self._longest = 0.0
        self._written: dict[str, str] = {}

    async def run(self) -> dict[str, Any]:
        """Ask, look at the end for what was written, and tell what was seen."""
        limits = httpx.Limits(max_connections=_CLIENTS)
        async with httpx.AsyncClient(
            base_url=self._plan["url"], trust_env=False, timeout=60, limits=limits
        ) as http:
            await asyncio.gather(*(self._client(http, n) for n in range(_CLIENTS)))
            for name, label in self._written.items():
                response = await http.get(f"/v1/records/{name}")
                self._seen["lost"] += not _is(response, label)
        found = {"written": len(self._written), "longest_ms": round(self._longest * 1000, 1)}
        return {"seen": dict(self._seen), **found}

    async def _client(self, http: httpx.AsyncClient, number: int) -> None:
        asked, classes = self._plan["records"], self._plan["classes"]
        while not self._end.exists():
            record, label = asked[number % len(asked)], classes[number // 7 % len(classes)]
            name = f"written-{number % _RECORDS}"
            await self._ask(http, "POST", "/v1/classify", {"records": [record]})
            await self._ask(http, "POST", "/v1/search", {"query": record, "k": 3})
            body = {"record": record, "label": label}
            if await self._ask(http, "PUT", f"/v1/records/{name}", body) is None:
                self._written.pop(name, None)  # nobody knows whether it was written
            else:
                self._written[name] = label
                found = await self._ask(http, "GET", f"/v1/records/{name}", None)
                self._seen["lost"] += found is not None and not _is(found, label)
            await asyncio.sleep(self._plan["pause"])
            number += _CLIENTS

    async def _ask(
        self,
        http: httpx.AsyncClient,
        method: str,
        path: str,
        body: Any,  # noqa: ANN401
    ) -> httpx.Response | None:
        """Ask once and count it; None where it failed."""
        begun = time.perf_counter()
        try:
            response = await http.request(method, path, json=body)
        except httpx.HTTPError as error:
            self._seen.update([f"broken {type(error).__name__}", "failed"])
            return None
        self._longest = max(self._longest, time.perf_counter() - begun)
        self._seen[f"{method} {path.split('/')[2]} {response.status_code}"] += 1
        if not response.is_success:
            self._seen["failed"] += 1
            return None
        if "index" in (found := response.json()):
            of = found["index"]["package_digest"], found["model"]["package_digest"]
            self._seen["mixed"] += of[0] != of[1]
        return response


def _is(response: httpx.Response, label: str) -> bool:
    """Whether a record was found with the label that was written last."""
    return response.is_success and response.json()["label"] == label
