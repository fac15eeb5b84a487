"""``concord evaluate``, ``promote``, ``rollback`` and ``ledger``."""

from collections.abc import Collection
from dataclasses import asdict
from pathlib import Path

from components.config.home import Home, find, writable
from components.core.errors import UserError, unknown_name
from components.core.user import user
from components.registry.ledger import Ledger
from components.registry.promotion import Promotion
from components.registry.versions import RegisteredVersion, models
from flows.commands.answer import Answer, table
from flows.display import console
from flows.runs.records import now


def promote(model: str | None, version: str, reason: str) -> Answer:
    """Make a version champion by hand."""
    home = writable(find())
    name = only_model(home, model)
    promotion = Promotion(home, name, console.print)
    champion = promotion.promote(version, actor=user(), reason=reason, time=now())
    return _changed(champion, f"version {champion.version} of {name} is champion")


def rollback(model: str | None, reason: str) -> Answer:
    """Restore the previous champion."""
    home = writable(find())
    name = only_model(home, model)
    promotion = Promotion(home, name, console.print)
    champion = promotion.rollback(actor=user(), reason=reason, time=now())
    return _changed(champion, f"version {champion.version} of {name} is champion again")


def ledger(model: str | None) -> Answer:
    """Every entry, oldest first."""
    entries = Ledger(find().ledger).entries(model)
    rows = [
        [str(e.seq), e.time, e.model, e.kind, str(e.version or ""), e.actor, _why(e.details)]
        for e in entries
    ]
    text = (
        table(rows, ["", "time", "model", "kind", "version", "by", "why"])
        if rows
        else "the ledger is empty"
    )
    then = "concord explain latest" if rows else "concord run CONFIG"
    return Answer(value={"entries": [asdict(e) for e in entries]}, text=text, then=then)


def evaluate(
    config: Path, *, version: str, data: str | None, looks: Collection[str] = ()
) -> Answer:
    """Measure a registered version on today's test records."""
    from flows.commands.looks import looked
    from flows.engines import quiet
    from flows.runs.evaluation import measure

    quiet()
    figures = measure(config, version=version, data=data, looks=looks)
    lines = [f"{figures['model']} version {figures['version']} on {figures['n']} test records"]
    lines += [
        f"  {name:<10} {value:.4f}" for name, value in figures.items() if isinstance(value, float)
    ]
    lines += looked(figures)
    return Answer(value=figures, text="\n".join(lines), then="concord ledger")


def only_model(home: Home, name: str | None) -> str:
    """The named model, else the only one.

    Raises:
        UserError: no model is registered, several are and none is named, or the name is unknown.
    """
    names = models(home)
    if not names:
        raise UserError(
            f"no model is registered in {home.root}; "
            "make one with `concord run CONFIG`, or see `concord demo`"
        )
    if name is None and len(names) > 1:
        raise UserError(
            f"several models are registered ({', '.join(names)}); choose one with --model"
        )
    if name is not None and name not in names:
        raise UserError(unknown_name("model", name, names))
    return name or names[0]


def _changed(champion: RegisteredVersion, text: str) -> Answer:
    value = {
        "model": champion.model,
        "champion": champion.version,
        "package_digest": champion.package_digest,
    }
    return Answer(
        value=value, text=text, then="concord ledger; a running `concord serve` switches by itself"
    )


def _why(details: dict[str, object]) -> str:
    reasons = details.get("reasons")
    return (
        "; ".join(map(str, reasons))
        if isinstance(reasons, list)
        else str(details.get("reason", ""))
    )
