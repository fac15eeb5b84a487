"""``concord run``."""

from pathlib import Path

from components.core.commands import concord
from components.core.errors import UsageError
from components.evaluation.metrics import Metrics
from flows.commands.answer import Answer
from flows.runs.result import RunResult

_VERDICTS = ("promote", "keep", "inconclusive", "nothing changed")
_REFUSALS = ("keep", "inconclusive")


def run(config: Path, *, data: str | None, require: str | None, wait: bool) -> Answer:
    """Run a configuration and show its outcome."""
    if require is not None and require not in _VERDICTS:
        raise UsageError(f"--require {require!r}: wanted one of {', '.join(_VERDICTS)}")
    from flows.run import run as work

    result = work(config, data=data, wait=wait)
    missed = require is not None and result.verdict != require
    then = f"concord explain {result.run_id}; open {result.report}; {_onwards(config, result)}"
    return Answer(
        value=result.model_dump(mode="json", by_alias=True),
        text=screen(result),
        then=then,
        exit_code=int(missed),
    )


def _onwards(config: Path, result: RunResult) -> str:
    """Serve the champion; without one, a person may promote the version."""
    from components.config import run as configuration
    from components.config.home import find
    from components.registry.promotion import Promotion

    name = configuration.load(config).name
    if Promotion(find(), name).champion() is not None:
        return concord("serve", model=name)
    return concord("promote", result.model_version, model=name, reason="checked by eye")


_SHOWN = {
    "accuracy": "accuracy",
    "macro_map": "macro mAP",
    "macro_f1": "macro-F1",
    "micro_f1": "micro-F1",
}


def _figures(m: Metrics) -> list[str]:
    """The primary figure of the models; nothing where nothing is predicted."""
    if m.primary is None:
        return ["  no classifier: the target is `none`"]
    shown = _SHOWN.get(m.primary, m.primary)
    others = [
        f"{words} {value:.3f}"
        for name, words in _SHOWN.items()
        if name != m.primary and (value := m.figure(name)) is not None
    ]
    rows = [
        ("fused", m, "   ".join([*others, f"ECE {_number(m.ece)}", f"({m.answering})"])),
        *([("committee", m.committee, "(labels alone)")] if m.committee else []),
        *(("student", one, f"(network, {note})") for one, note in m.students),
        *((f"{name} alone", one, "") for name, one in sorted(m.singles.items())),
    ]
    return [
        f"  {f'{shown}, {name}':<27} {_number(of.figure(m.primary))}   {more}".rstrip()
        for name, of, more in rows
    ]


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


def _composer(m: Metrics) -> list[str]:
    """The composer beside the plain sum, where the run learned one."""
    if (found := m.composer) is None:
        return []
    kept = "kept" if found.kept else "not kept"
    more = f"(plain sum {_number(found.sum)}, {found.judged:,} held-out triplets: {kept})"
    return [f"  recall@10, composer         {_number(found.composer)}   {more}"]


def _outcome(result: RunResult) -> str:
    """The verdict, on which version, and why."""
    refused = " is not promoted" if result.verdict in _REFUSALS else ""
    why = "; ".join(result.reasons)
    return f"{result.verdict}: model version {result.model_version}{refused} ({why})"


def screen(result: RunResult) -> str:
    """The outcome on one screen."""
    m = result.metrics
    lines = [
        _outcome(result),
        "",
        *_figures(m),
    ]
    if gain := m.intervals.fused_minus_best_single:
        assert m.best_single is not None
        lines += [
            f"  fused minus {m.best_single.name:<15} {gain.difference:+.3f}   "
            f"[{gain.low:+.3f}, {gain.high:+.3f}]"
        ]
    if gain := m.intervals.fused_minus_best_single_complete:
        lines += [
            f"    on {f'{gain.n:,} complete records':<22} {gain.difference:+.3f}   "
            f"[{gain.low:+.3f}, {gain.high:+.3f}]"
        ]
    lines += [
        f"  recall@10, {pair:<16} {_number(figures.recall_10)}"
        for pair, figures in sorted(m.retrieval.items())
    ]
    lines += _composer(m)
    lines += [f"  label budget                {result.label_budget}", ""]
    lines += [f"  {s.name:<14} {s.status:<8} {s.seconds:7.1f} s   {s.reason}" for s in result.steps]
    lines += [f"  waiting for engines     {result.engine_seconds:7.1f} s", ""]
    lines += [
        f"  run        {result.run_id}",
        f"  flow run   {result.flow_run or 'none was needed'}",
        f"  report     {result.report}",
    ]
    lines += [f"  data docs  {result.data_docs}"]
    return "\n".join(lines)
