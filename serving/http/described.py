"""Tokens in the OpenAPI description: how they are sent, and what a request without one gets."""

from typing import Any

from fastapi import FastAPI

from serving.interface.responses import Refusal

_RESPONSES: dict[int | str, dict[str, Any]] = {
    401: {"model": Refusal, "description": "No token, or one that is unknown or not valid."},
    403: {"model": Refusal, "description": "The token lacks the scope that the message names."},
    429: {
        "model": Refusal,
        "description": "Too much at once; `Retry-After` gives the seconds to wait.",
    },
    503: {"model": Refusal, "description": "Not now; `Retry-After` gives the seconds to wait."},
}


def describe_tokens(app: FastAPI) -> None:
    """Describe tokens for all routes that are added from then on."""
    app.router.responses = {**_RESPONSES, **app.router.responses}
    make = app.openapi

    def described() -> dict[str, Any]:
        made = make()
        scheme = {
            "type": "http",
            "scheme": "bearer",
            "description": "`concord token new --name NAME --scope predict`",
        }
        made.setdefault("components", {})["securitySchemes"] = {"token": scheme}
        made["security"] = [{"token": []}, {}]  # on the loopback none is needed
        return made

    app.openapi = described  # type: ignore[method-assign]
