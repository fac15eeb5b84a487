"""``concord sweep``."""

from pathlib import Path
from typing import Any

import yaml

from components.config import run as configuration
from components.core.commands import concord
from components.core.errors import UsageError
from components.core.files import write_atomically
from components.core.yaml_file import read_yaml
from components.training.held_out import LEAST
from flows.commands.answer import Answer, table
from flows.sweep.found import SELDOM, WORTH, Sweep, Trial, described
from flows.sweep.gain import Gain
from flows.sweep.space import changed
from flows.sweep.sweep import sweep as work

_SHOWN = 12
"""Trials in the table for people; the JSON has all."""
_MARK = "# Written by a sweep"


def sweep(config: Path, *, minutes: float, data: str | None, wait: bool) -> Answer:
    """Search for a better configuration, and write the best one beside the configuration."""
    place = config.with_name(f"{config.stem}.best.yaml")
    _check_place(place)
    found = work(config, minutes=minutes, data=data, wait=wait)
    if found.best.changes:
        _write(place, config, found)
    better = found.better
    then = concord("run", place if better else config, data=data)
    return Answer(
        value=_value(found, place if found.best.changes else None),
        text=screen(found, place),
        then=then,
    )


def _check_place(place: Path) -> None:
    """Never overwrite a file that a person wrote."""
    if place.is_file() and not place.read_text("utf-8", "replace").startswith(_MARK):
        raise UsageError(
            f"{place} exists and is not from a sweep; rename it: the best configuration is"
            " written there"
        )


def _write(place: Path, config: Path, found: Sweep) -> None:
    tree = changed(read_yaml(config).tree, found.settings, found.best.chosen)
    said = [
        f"{_MARK}: the best of {len(found.trials)} trials around {config.name}.",
        f"# {_verdict(found)}",
    ]
    text = yaml.safe_dump(tree, sort_keys=False, allow_unicode=True)
    write_atomically(place, "\n".join([*said, text]))
    configuration.load(place)


def screen(found: Sweep, place: Path) -> str:
    """The outcome on one screen."""
    best = found.best
    ranked = sorted(found.trials, key=lambda t: (-t.gain.mean, t.number))
    figures = list(best.held_out.figures)
    rows = [_row(trial, figures) for trial in ranked[:_SHOWN]]
    if left := ranked[_SHOWN:]:
        rows.append(["..."] + [""] * (len(rows[0]) - 1))
        rows += [_row(trial, figures) for trial in left if not trial.changes]
    header = ["trial", "gain", "loss", *figures, "records", "s", "changed"]
    lines = [
        f"{len(found.trials)} trial{'s' * (len(found.trials) != 1)}"
        f" ({found.earlier} of an earlier sweep, {len(found.failed)} failed);"
        f" ended: {found.ended}",
        "searched: " + ", ".join(f"{s.name} ({len(s.choices)})" for s in found.settings),
        *([] if found.network else [_unjudged()]),
        "",
        table(rows, header),
        *(f"failed: {described(chosen)}: {reason}" for chosen, reason in found.failed),
        "",
        "A gain is the decrease in loss on held-out labelled records, ± its standard error, over"
        " the records that both the trial and the configuration itself answered held out.",
        _best(best),
    ]
    if best.changes:
        lines += [
            f"The best of {len(found.trials)} trials looks better than it is: where other records"
            f" choose than those that judge, the gain is {found.choosing:+.4f}.",
            _verdict(found),
            f"written: {place}",
        ]
    else:
        lines.append(_verdict(found))
    return "\n".join(lines)


def _unjudged() -> str:
    return (
        "not searched: fusion and the network's settings, since fewer than"
        f" {LEAST} labelled records are held out together, and the committee answers"
    )


def _row(trial: Trial, figures: list[str]) -> list[str]:
    told, shared = trial.held_out.figures, trial.gain.records
    same = len(trial.held_out.ids) == shared  # a figure of other records compares with nothing
    return [
        str(trial.number),
        _shown(trial.gain) if trial.changes else "-",
        "-" if trial.gain.loss is None else f"{trial.gain.loss:.4f}",
        *(f"{told[name]:.3f}" if same and name in told else "-" for name in figures),
        f"{shared:,}",
        f"{trial.seconds:.0f}",
        described(trial.changes),
    ]


def _shown(gain: Gain) -> str:
    return f"{round(gain.mean, 4) + 0.0:+.4f} ± {gain.error:.4f}"  # no minus before a zero


def _best(best: Trial) -> str:
    if not best.changes:
        return "best: the configuration itself"
    return f"best: trial {best.number} ({described(best.changes)}), {_shown(best.gain)}"


def _verdict(found: Sweep) -> str:
    if len(found.trials) == 1:
        return "The default stands: nothing else was tried."
    if not found.best.changes:
        return "The default stands: no other trial was better."
    seen = f"if no trial were better, the best would look as good in {found.chance:.1%} of cases"
    if found.better:
        return f"It is better than the configuration by more than noise: {seen}."
    if not found.matters:
        return f"The default stands: the gain is too small to matter (wanted at least {WORTH})."
    return f"The default stands: the gain is within noise ({seen}; wanted below {SELDOM:.0%})."


def _value(found: Sweep, place: Path | None) -> dict[str, Any]:
    return {
        "better": found.better,
        "best": _trial(found.best),
        "gain_of_choosing": found.choosing,
        "chance": found.chance,
        "written": None if place is None else str(place),
        "network_judged": found.network,
        "searched": {s.name: list(s.choices) for s in found.settings},
        "ended": found.ended,
        "earlier": found.earlier,
        "failed": [{"changes": chosen, "reason": reason} for chosen, reason in found.failed],
        "trials": [_trial(trial) for trial in found.trials],
    }


def _trial(trial: Trial) -> dict[str, Any]:
    return {
        "number": trial.number,
        "changes": trial.changes,
        "gain": vars(trial.gain),
        "held_out": {"loss": trial.held_out.loss, **trial.held_out.figures},
        "seconds": trial.seconds,
    }
