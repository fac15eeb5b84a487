"""The status screen of `concord up`: a table on a terminal, elsewhere a line for each change."""

from contextlib import AbstractContextManager, nullcontext

from rich.live import Live
from rich.table import Table

from flows.display import console
from flows.up.processes import Fleet, Running, State

_STYLES = {State.READY: "green", State.ENDED: "red", State.STARTING: "yellow", State.WAITING: "dim"}


def live(fleet: Fleet) -> AbstractContextManager[object]:
    """Show the fleet until the block ends; only on a terminal."""
    if not console.is_terminal:
        return nullcontext()
    return Live(get_renderable=lambda: table(fleet), console=console, refresh_per_second=2)


def table(fleet: Fleet) -> Table:
    """One row for each server."""
    shown = Table(title="servers of this machine; Ctrl-C stops all", title_justify="left", box=None)
    for column in ("server", "state", "address", "process", ""):
        shown.add_column(column, overflow="fold")
    for one in fleet.running:
        pid = "" if one.process is None else str(one.process.pid)
        state = f"[{_STYLES[one.state]}]{one.state.value}[/]"
        shown.add_row(one.server.name, state, one.server.shows, pid, one.said or f"log: {one.log}")
    return shown


def line(one: Running) -> None:
    """A change, printed as a line where there is no terminal."""
    if not console.is_terminal:
        words = one.said or one.state.value
        console.print(f"{one.server.name} ({one.server.shows}): {words}", markup=False)
