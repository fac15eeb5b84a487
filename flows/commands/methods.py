"""``concord methods``: what can be switched on, where it comes from, and what it is worth here."""

from dataclasses import asdict
from textwrap import shorten

from components.core.commands import concord
from components.parts.methods import Method, chosen
from flows.commands.answer import Answer, table


def methods(name: str | None) -> Answer:
    """List the methods, or tell all about some of them.

    Args:
        name: an id, a family such as ``S``, or a part of a common name; None: all.

    Raises:
        UsageError: no such method.
    """
    found = chosen(name)
    value = {"methods": [asdict(one) for one in found]}
    if name is None or len(found) > _FEW:
        rows = [[m.id, m.name, m.verdict or "not measured", m.purpose] for m in found]
        then = concord("methods", found[0].id)
        return Answer(value=value, text=table(rows, ["id", "name", "claim", "for"]), then=then)
    return Answer(value=value, text="\n\n".join(_whole(one) for one in found))


_FEW = 5
"""Methods that are printed in full."""


def _whole(one: Method) -> str:
    told = {
        "for": one.purpose,
        "needs": one.needs,
        "use": one.use,
        "claim": one.verdict or "not measured",
        "here": one.result,
        "source": shorten(one.source, 240, placeholder=" …"),
        "file": one.file,
    }
    return "\n".join([f"{one.id}  {one.name}", *(f"  {k:8}{v}" for k, v in told.items() if v)])
