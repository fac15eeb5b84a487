"""Feedback for an earlier answer or a record of the index."""

from typing import TYPE_CHECKING, Annotated, Any

from fastapi import Body, FastAPI, Path, Request
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

from components.core.errors import BadInput
from serving.http.refusals import FEEDBACK
from serving.http.requests import named
from serving.interface.responses import Strict
from serving.live.answers import NotThere
from serving.store.feedback import id_of
from serving.store.said import About, NotKept, Said

if TYPE_CHECKING:
    from serving.live.kept import Kept
    from serving.live.unit import Unit


def _storable(text: str) -> str:
    """Accept a text that every database and file can hold."""
    if "\0" in text or any("\ud800" <= letter <= "\udfff" for letter in text):
        raise ValueError("text in UTF-8 without null characters")
    return text


_Text = Annotated[str, AfterValidator(_storable)]
_Id = Annotated[_Text, Field(min_length=1, max_length=1_000)]
_Label = Annotated[_Text, BeforeValidator(named), Field(min_length=1, max_length=1_000)]


class FeedbackRequest(BaseModel):
    """A label, or which hits are right, for one answer or one record."""

    model_config = ConfigDict(extra="forbid")

    answer_id: _Id | None = None
    """Id of the answer to a record, or to a search."""
    record_id: _Id | None = None
    """Id of a record of the index."""
    label: _Label | None = None
    """The right class; may be one that the model does not know yet."""
    labels: Annotated[list[_Label], Field(max_length=1_000)] | None = None
    """The right set of classes, if a record has a set of them; may be empty."""
    relevant: Annotated[dict[_Id, bool], Field(min_length=1, max_length=1_000)] | None = None
    """Id of a hit of a search to whether it is relevant."""
    note: Annotated[_Text, Field(max_length=2_000)] | None = None


class FeedbackResponse(BaseModel):
    """Feedback that is stored."""

    feedback_id: str
    """The same for all feedback of a token on one answer or record."""


class WithdrawnResponse(Strict):
    """Feedback that was withdrawn."""

    feedback_id: str


_CREATED: dict[int | str, dict[str, Any]] = {
    201: {
        "links": {
            "withdraw": {
                "operationId": "withdraw",
                "parameters": {"feedback_id": "$response.body#/feedback_id"},
            }
        }
    }
}


def add(app: FastAPI, unit: "Unit") -> None:
    """Add the route to the application of a unit."""
    kept = unit.shared.kept
    if kept is None:
        return

    example = _example(unit)
    body = Body(examples=[example])
    # The one that the example gets where no token is needed.
    given = Path(examples=[id_of(None, Said(record=example["record_id"]))], max_length=1_000)

    @app.post("/v1/feedback", tags=["feedback"], status_code=201, responses=_CREATED | FEEDBACK)
    async def feedback(
        request: Annotated[FeedbackRequest, body], http: Request
    ) -> FeedbackResponse:
        """Store a correct label or a judgement, durably; sending it twice changes nothing.

        A later label replaces an earlier one of the same token.
        """
        said, token = _said(request, unit), _token(http)
        found = await kept.run(lambda: _given(kept, said, unit, token))
        return FeedbackResponse(feedback_id=found)

    @app.delete(
        "/v1/feedback/{feedback_id}",
        tags=["feedback"],
        responses=FEEDBACK,
        operation_id="withdraw",
    )
    async def withdraw(feedback_id: Annotated[str, given], http: Request) -> WithdrawnResponse:
        """Withdraw all feedback of this token on one answer or record; that of others stays."""
        token = _token(http)
        if not await kept.run(lambda: kept.feedback.withdraw(feedback_id, token)):
            wanted = "the id of feedback that this token gave"
            raise NotThere("feedback_id", repr(feedback_id[:80]), wanted)
        return WithdrawnResponse(feedback_id=feedback_id)


def _token(http: Request) -> str | None:
    """The name of the token that asks."""
    caller = getattr(http.state, "caller", None)
    return caller.name if caller else None


def _example(unit: "Unit") -> dict[str, Any]:
    """A label for a record of the index."""
    ids = unit.answers.predictor.collection.packaged.ids
    classes = list(unit.limits.classes[:1]) or ["a"]
    label = {"labels": classes} if unit.limits.target == "multi" else {"label": classes[0]}
    return {"record_id": ids[0] if ids else "a", **label}


def _given(kept: "Kept", said: Said, unit: "Unit", token: str | None) -> str:
    ref = unit.ref
    about = About(
        model=ref.name,
        version=ref.version,
        package_digest=ref.package_digest,
        classes=unit.limits.classes,
    )
    try:
        found = kept.feedback.give(said, about, token)
    except NotKept as error:
        raise NotThere(error.field, error.got, error.wanted) from error
    unit.shared.metrics.feedback.labels("label" if said.labels is not None else "other").inc()
    return found


def _said(request: FeedbackRequest, unit: "Unit") -> Said:
    """The feedback in a request.

    Raises:
        BadInput: not exactly one thing is judged, nothing is said of it, or not as the model says.
        NotThere: no such record.
    """
    multi = unit.limits.target == "multi"
    if (request.answer_id is None) == (request.record_id is None):
        both = "both" if request.answer_id is not None else "neither"
        raise BadInput("answer_id", f"{both} of answer_id and record_id", "one of them")
    if request.record_id is not None and not unit.answers.has(request.record_id):
        raise NotThere("record_id", repr(request.record_id[:80]), "a record of the index")
    if request.label is not None and multi:
        raise BadInput("label", "one class", "`labels`, since a record has a set of classes")
    if request.labels is not None and not multi:
        raise BadInput("labels", "a set of classes", "`label`, since a record has one class")
    if request.relevant is not None and request.answer_id is None:
        raise BadInput("relevant", "no answer_id", "the answer whose hits are judged")
    given = (request.label, request.labels, request.relevant, request.note)
    if all(part is None for part in given):
        raise BadInput("body", "no judgement", "a label, relevant hits or a note")
    return Said(
        answer=request.answer_id,
        record=request.record_id,
        labels=request.labels if request.label is None else [request.label],
        multi=multi,
        relevant=request.relevant,
        note=request.note,
    )
