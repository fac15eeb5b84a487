"""Progress on standard error: bars on a terminal, elsewhere a line for each quarter of the work."""

from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
)

from components.core.progress import silent

console = Console(stderr=True, highlight=False)
console.soft_wrap = not console.is_terminal  # a file or a pipe has no width to wrap lines at


class Display:
    """Shows progress callbacks; use as a context manager and pass ``show`` as the callback."""

    def __init__(self, *, hidden: bool = False) -> None:
        self._bars = Progress(
            TextColumn("  {task.description:<34}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            console=console,
        )
        self._tasks: dict[str, TaskID] = {}
        self._quarters: dict[str, int] = {}
        self.show = (
            silent if hidden else self._on_terminal if console.is_terminal else self._on_lines
        )
        self._live = not hidden and console.is_terminal

    def __enter__(self) -> Self:
        if self._live:
            self._bars.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._live:
            self._bars.stop()

    def _on_terminal(self, what: str, done: int, total: int) -> None:
        if what not in self._tasks:
            self._tasks[what] = self._bars.add_task(what, total=total)
        self._bars.update(self._tasks[what], completed=done, total=total)

    def _on_lines(self, what: str, done: int, total: int) -> None:
        quarter = 4 * done // max(total, 1)
        if self._quarters.get(what) != quarter:
            self._quarters[what] = quarter
            console.print(f"  {what}: {done}/{total}")
