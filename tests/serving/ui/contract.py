"""The parts of the contract that the service of these tests does not answer yet."""

import json


def stand_in(page, url):
    """Let a page's requests be answered as the contract says."""
    given = []

    def search(route):
        asked = json.loads(route.request.post_data)
        sent = {k: v for k, v in asked.items() if k in ("query", "target")} | {"k": 100}
        sent.setdefault("query", {"text": "round"})
        response = route.fetch(post_data=json.dumps(sent))
        body = response.json()
        if response.ok:
            start, hits = int(asked.get("after") or 0), body["hits"]
            end = start + asked["k"]
            body |= {"hits": hits[start:end], "next": str(end) if end < len(hits) else None}
            for hit in body["hits"]:
                hit["scores"] = dict.fromkeys(hit["media"], hit["score"])
        route.fulfill(response=response, json=body)

    def classify(route):
        (record,) = json.loads(route.request.post_data)["records"]
        records = [record, *({m: v} for m, v in record.items())]
        response = route.fetch(post_data=json.dumps({"records": records}))
        body = response.json()
        if response.ok:
            whole, *each = body["answers"]
            whole["contributions"] = {
                m: {
                    "label": one["label"],
                    "confidence": one["confidence"],
                    "probability": one["probabilities"][whole["label"]],
                }
                for m, one in zip(record, each, strict=True)
            }
            body["answers"] = [whole]
        route.fulfill(response=response, json=body)

    def review(route):
        body = page.request.post(
            f"{url}v1/search", data={"query": {"text": "round"}, "k": 100}
        ).json()
        items = [
            {
                "id": hit["id"],
                "predicted": hit["predicted"],
                "confidence": 0.4,
                "disagreement": 0.5,
                "votes": dict.fromkeys(hit["media"], hit["predicted"]),
                "media": hit["media"],
            }
            for hit in body["hits"]
            if hit["id"] not in given
        ]
        route.fulfill(json={"model": body["model"], "items": items[:10]})

    def feedback(route):
        given.append(json.loads(route.request.post_data).get("record_id"))
        route.continue_()

    page.route("**/v1/search", search)
    page.route("**/v1/classify", classify)
    page.route("**/v1/review*", review)
    page.route("**/v1/feedback", feedback)
