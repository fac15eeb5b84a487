"""Records that users write: committed, applied and only then acknowledged."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

from fastapi import FastAPI, Path
from pydantic import BaseModel

from components.core.errors import BadInput
from serving.http import record_requests as requests
from serving.http.multipart import also_multipart
from serving.http.refusals import ANSWERS, MISSING
from serving.http.values import values_of
from serving.interface.record_responses import Deleted, Written, WrittenAll
from serving.live.answers import NotThere

if TYPE_CHECKING:
    from components.prediction.journal import Write
    from serving.live.unit import Unit


def add(app: FastAPI, unit: "Unit", record: type[BaseModel]) -> None:
    """Add the routes to the application of a unit, whose records have this type."""
    limits = unit.limits
    timed = "time" in unit.answers.predictor.collection.declared
    Upsert: Any = requests.upsert_type(limits, record, timed=timed)
    Upserts: Any = requests.upserts_type(limits, record, timed=timed)
    named = Path(examples=["example-1"], description="id of the record")
    parts = also_multipart(limits)

    @app.put(
        "/v1/records/{record_id:path}", tags=["records"], responses=ANSWERS, openapi_extra=parts
    )
    async def put(record_id: Annotated[requests.Id, named], request: Upsert) -> Written:
        """Add a record, or replace the one with this id; it can be found at once."""
        created = not unit.answers.has(record_id)
        number = await _upsert(unit, [(record_id, request, "record")])
        return Written(
            model=unit.ref, index=unit.answers.index(number), id=record_id, created=created
        )

    @app.post("/v1/records", tags=["records"], responses=ANSWERS, openapi_extra=parts)
    async def post(request: Upserts) -> WrittenAll:
        """Add records, or replace those with the same ids: all of them, or none."""
        ids = [one.id for one in request.records]
        for i, record_id in enumerate(ids):
            if record_id in ids[:i]:
                raise BadInput(f"records.{i}.id", repr(record_id)[:80], "each id once")
        items = [(one.id, one, f"records.{i}.record") for i, one in enumerate(request.records)]
        number = await _upsert(unit, items)
        return WrittenAll(model=unit.ref, index=unit.answers.index(number), written=len(ids))

    @app.post("/v1/records/delete", tags=["records"], responses=ANSWERS)
    async def delete_all(request: requests.DeleteRequest) -> Deleted:
        """Delete records; ids that do not exist are ignored."""
        return await unit.run(lambda: _delete(unit, request.ids))

    @app.delete("/v1/records/{record_id:path}", tags=["records"], responses=MISSING)
    async def delete(record_id: Annotated[str, named]) -> Deleted:
        """Delete a record; it can no longer be found."""
        found = await unit.run(lambda: _delete(unit, [record_id]))
        if not found.deleted:
            raise NotThere("id", repr(record_id)[:80], "the id of a record of the index")
        return found


async def _upsert(unit: "Unit", items: Sequence[tuple[str, Any, str]]) -> int:
    """Write records, each with its id, request and place; the number of the last write."""
    records = await unit.run(
        lambda: {place: values_of(one.record, unit.limits, place) for _, one, place in items}
    )
    places = list(records)
    writes = [
        _write(record_id, records[place], one.label, getattr(one, "time", None))
        for record_id, one, place in items
    ]
    unit.answers.check_writes(writes, places)
    found = await unit.predict(records, "records")
    async with unit.holding(records, "records"):  # to make previews they are decoded once more
        return await unit.run(lambda: unit.answers.write(writes, places, found))


def _write(
    record_id: str,
    record: dict[str, Any] | None,
    label: Any = None,  # noqa: ANN401
    time: float | None = None,
) -> "Write":
    from components.prediction.journal import Write

    return Write(id=record_id, record=record, label=label, time=time)


def _delete(unit: "Unit", ids: Sequence[str]) -> Deleted:
    collection = unit.answers.predictor.collection
    collection.apply()  # what another replica has just written may be deleted too
    gone = [record_id for record_id in dict.fromkeys(ids) if record_id in collection]
    number = collection.applied
    if gone:
        number = unit.answers.write([_write(i, None) for i in gone], gone, [])
    return Deleted(model=unit.ref, index=unit.answers.index(number), deleted=len(gone))
