"""Models that a page is told of, and answers that it gets, without a model behind them."""

import json

from serving.interface import responses

KINDS = {"image": "bytes", "audio": "bytes", "text": "text", "tabular": "fields"}


def modality(name, kind, fields=None, **limits):
    return {
        "name": name, "kind": kind, "raw": KINDS[kind], "accepts": "a value",
        "fields": fields, "limits": limits,
    }  # fmt: skip


def field(name, kind, **more):
    return {"name": name, "type": kind, "unit": None, "separator": None, "default": None, **more}


def model(modalities, classes=("a", "b"), target="single", **more):
    """The answer of ``GET /v1/model``."""
    found = {
        "name": "made", "version": 1, "package_digest": "0" * 64, "classes": list(classes),
        "target": target, "modalities": modalities, "max_batch": 8, "max_request_bytes": 1 << 20,
        "targets": [*(m["name"] for m in modalities), "fused"], "max_value_mb": 8,
        "max_request_mb": 8, "max_hits": 100, "records": 3, "metrics": {}, "card": None,
        "timed": False, "runtime": {"name": "onnx", "reason": ""}, **more,
    }  # fmt: skip
    responses.ModelInfo.model_validate(found)  # what the service could answer
    return found


def answers(page, **paths):
    """Let paths under ``/v1`` be answered with JSON; returns what was sent to them, in order."""
    sent = []

    def answer(route):
        name = route.request.url.partition("/v1/")[2].partition("?")[0]
        body = route.request.post_data
        sent.append((name, json.loads(body) if body else None))
        if name not in paths:
            route.continue_()
            return
        found = paths[name]
        options = found if isinstance(found, dict) and "status" in found else {"json": found}
        route.fulfill(**options)

    page.route("**/v1/**", answer)
    return sent
