"""``concord runs`` and ``concord explain``."""

from dataclasses import asdict

from components.config.home import find
from components.core.commands import concord
from components.core.content import free
from flows.commands.answer import Answer, table
from flows.runs.cleaning import unneeded
from flows.runs.records import RunRecord, Runs, exclusive

_EMPTY = "there are no runs yet"


def list_() -> Answer:
    """All runs, newest first."""
    records = Runs(find()).all()
    rows = [
        [
            r.run_id,
            r.name,
            r.status,
            r.verdict or "",
            str(r.model_version or ""),
            f"{_ran(r)} of {len(r.steps)} ran",
        ]
        for r in records
    ]
    text = (
        table(rows, ["run", "model", "status", "verdict", "version", "steps"]) if rows else _EMPTY
    )
    then = "concord explain latest" if rows else "concord run conf/demo.yaml"
    return Answer(value={"runs": [_short(r) for r in records]}, text=text, then=then)


def explain(run_id: str) -> Answer:
    """Why each step of a run ran or not, and the decision of the gate."""
    record = Runs(find()).get(run_id)
    rows = [[s["name"], s["status"], f"{s['seconds']:.1f} s", s["reason"]] for s in record.steps]
    lines = [f"run {record.run_id} of {record.name}: {record.status}"]
    lines += [f"  {record.error}"] if record.error else []
    lines += ["", table(rows, ["step", "status", "time", "why"]), ""]
    lines += [f"verdict: {record.verdict}"] if record.verdict else []
    lines += [f"  - {reason}" for reason in record.reasons]
    lines += [
        f"data: {record.data_digest[:16]}"
        + (f" (revision {record.data_revision})" if record.data_revision else "")
    ]
    return Answer(value=asdict(record), text="\n".join(lines), then="concord ledger")


def cancel(run_id: str) -> Answer:
    """Ask a run to stop."""
    record = Runs(find()).cancel(run_id)
    value = {"run_id": record.run_id, "cancelled": True}
    return Answer(
        value=value,
        text=f"run {record.run_id} (process {record.pid}) was asked to stop",
        then="concord runs list",
    )


def clean(keep: int, *, dry_run: bool) -> Answer:
    """Remove the content and records of old runs, or list what would be removed."""
    home = find()
    if not home.root.is_dir():
        return Answer(value={"freed_bytes": 0, "runs_removed": []}, text=_EMPTY)
    with exclusive(home, wait=True):
        store = Runs(home)
        kept, old = _newest(store.all(), keep)
        entries = unneeded(home, kept)
        freed = sum(entry.size for entry in entries) if dry_run else free(entries)
        for record in () if dry_run else old:
            store.remove(record)
    value = {"freed_bytes": freed, "runs_removed": [r.run_id for r in old], "dry_run": dry_run}
    lines = [
        f"{'would free' if dry_run else 'freed'} {freed / 1e6:.1f} MB of {len(entries)} outputs, "
        f"caches, packages and checkpoints; {'would remove' if dry_run else 'removed'} "
        f"{len(old)} run records, and {'keep' if dry_run else 'kept'} {len(kept)}",
        *(f"  {r.run_id}  {r.name}  {r.status}" for r in old),
    ]
    then = concord("runs", "clean", keep=keep) if dry_run else "concord runs list"
    return Answer(value=value, text="\n".join(lines), then=then)


def _newest(records: list[RunRecord], keep: int) -> tuple[list[RunRecord], list[RunRecord]]:
    seen: dict[str, int] = {}
    kept: list[RunRecord] = []
    old: list[RunRecord] = []
    for record in records:
        seen[record.name] = seen.get(record.name, 0) + 1
        (kept if seen[record.name] <= keep or record.status == "running" else old).append(record)
    return kept, old


def _ran(record: RunRecord) -> int:
    return sum(s["status"] == "ran" for s in record.steps)


def _short(record: RunRecord) -> dict[str, object]:
    names = ("run_id", "name", "status", "verdict", "model_version", "started", "finished", "error")
    return {name: getattr(record, name) for name in names}
