"""``concord serve``."""

from pathlib import Path

from components.config.home import find
from components.core.commands import concord
from components.core.errors import UsageError
from flows.commands.answer import Answer
from flows.commands.registry import only_model
from flows.display import console


def serve(
    model: str | None,
    *,
    host: str,
    port: int,
    cert: Path | None = None,
    key: Path | None = None,
) -> Answer:
    """Serve the champion until interrupted."""
    from serving.follow import supervise

    if (cert is None) != (key is None):
        raise UsageError("--cert and --key belong together: give both, or neither")
    home = find()
    name = only_model(home, model)
    tls = (cert, key) if cert and key else None
    supervise(home, name, host=host, port=port, told=console.print, tls=tls)
    return Answer(
        value={"model": name, "served": True},
        text=f"{name} is no longer served",
        then=concord("serve", model=name),
    )
