"""The object that ``concord run CONFIG --json`` prints."""

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from components.core.files import read_json
from components.evaluation.metrics import Metrics
from flows.runs.records import RunRecord


class StepLine(BaseModel):
    """One step of a run."""

    model_config = ConfigDict(frozen=True)
    name: str
    key: str
    status: Literal["ran", "skipped"]
    seconds: float
    reason: str


class RunResult(BaseModel):
    """The outcome of ``concord run``."""

    model_config = ConfigDict(frozen=True)
    run_id: str
    flow_run: str | None = Field(
        description="Prefect's flow run; null where nothing changed and no flow was started"
    )
    verdict: Literal["promote", "keep", "inconclusive", "nothing changed"]
    reasons: list[str]
    model_version: int
    data_digest: str
    data_revision: str | None
    report: str = Field(description="path of the HTML report")
    data_docs: str = Field(description="path of the Great Expectations site")
    label_budget: int = Field(
        description="all labels the run could fit or select on, validation included"
    )
    metrics: Metrics
    steps: list[StepLine]
    engine_seconds: float = Field(description="seconds the run waited for engines to start")


def from_record(record: RunRecord, *, nothing_changed: bool = False) -> RunResult:
    """The result of a finished run.

    Args:
        record: the run.
        nothing_changed: whether it answers for a later request; then every step counts as skipped.
    """
    outputs = {step["name"]: Path(step["output"]) for step in record.steps}
    metrics = Metrics.model_validate(read_json(outputs["evaluate"] / "metrics.json"))
    steps = [StepLine(**{k: step[k] for k in StepLine.model_fields}) for step in record.steps]
    if nothing_changed:
        steps = [
            s.model_copy(update={"status": "skipped", "seconds": 0.0, "reason": "same key"})
            for s in steps
        ]
    assert record.model_version is not None, record
    return RunResult.model_validate(
        {
            "run_id": record.run_id,
            "flow_run": None if nothing_changed else record.flow_run,
            "verdict": "nothing changed" if nothing_changed else record.verdict,
            "reasons": record.reasons,
            "model_version": record.model_version,
            "data_digest": record.data_digest,
            "data_revision": record.data_revision,
            "report": str(outputs["evaluate"] / "report.html"),
            "data_docs": str(outputs["validate"] / "data_docs" / "index.html"),
            "label_budget": metrics.label_budget.total,
            "metrics": metrics,
            "steps": steps,
            "engine_seconds": 0.0 if nothing_changed else record.engine_seconds,
        }
    )
