"""Notes answers in the log: who asked, what was answered by which version, and how fast."""

from collections.abc import Mapping, Sequence
from time import perf_counter, time
from typing import TYPE_CHECKING, Any

from fastapi import Request

from serving.interface import responses
from serving.interface.record_responses import SearchResponse
from serving.store.answers import Answered

if TYPE_CHECKING:
    from serving.live.unit import Unit


class Noting:
    """Notes what one request is answered; made when the request begins.

    A request that nobody was asked about, such as a copy for a shadow, is not noted.

    Args:
        unit: answers it.
        request: of HTTP.
    """

    def __init__(self, unit: "Unit", request: Request) -> None:
        self._unit, self._begun = unit, perf_counter()
        self._caller = getattr(request.state, "caller", None)

    def classified(
        self,
        records: Sequence[Mapping[str, Any]],
        answers: Sequence[responses.Answer | responses.SetAnswer],
    ) -> None:
        """Note the answer to each record."""
        for record, answer in zip(records, answers, strict=True):
            if isinstance(answer, responses.Answer):
                labels, abstained = {answer.label: answer.confidence}, answer.abstained
            else:
                labels, abstained = answer.labels, None
            outputs = {"labels": labels}
            self._note("classify", answer.answer_id, record, outputs, abstained)

    def searched(self, query: Mapping[str, Any], answer: SearchResponse) -> None:
        """Note the hits of a search; the query may have no values of its own."""
        hits = [{"id": hit.id, "score": hit.score} for hit in answer.hits]
        outputs = {"target": answer.target, "hits": hits}
        self._note("search", answer.answer_id, query, outputs, None)

    def _note(
        self,
        endpoint: str,
        answer: str,
        record: Mapping[str, Any],
        outputs: dict[str, Any],
        abstained: bool | None,
    ) -> None:
        kept, ref = self._unit.shared.kept, self._unit.ref
        if kept is None or self._caller is None:
            return
        kept.log.note(
            Answered(
                id=answer,
                time=time(),
                endpoint=endpoint,
                model=ref.name,
                version=ref.version,
                package_digest=ref.package_digest,
                token=self._caller.name,
                modalities=list(record),
                outputs=outputs,
                seconds=perf_counter() - self._begun,
                abstained=abstained,
                payload=record if kept.payloads else None,
            )
        )
