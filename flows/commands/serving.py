"""``concord serve``."""

from components.config.home import find
from components.core.commands import concord
from flows.commands.answer import Answer
from flows.commands.registry import only_model
from flows.display import console


def serve(model: str | None, *, host: str, port: int) -> Answer:
    """Serve the champion until interrupted."""
    from serving.follow import supervise

    home = find()
    name = only_model(home, model)
    supervise(home, name, host=host, port=port, told=console.print)
    return Answer(
        value={"model": name, "served": True},
        text=f"{name} is no longer served",
        then=concord("serve", model=name),
    )
