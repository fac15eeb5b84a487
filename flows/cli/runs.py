"""Commands about runs."""

from typing import Annotated

import typer

from flows.cli.options import AsJson, answer
from flows.commands.answer import Answer

app = typer.Typer(
    help="List runs, cancel one, free disk.\n\nExample: concord runs list",
    invoke_without_command=True,
    rich_markup_mode=None,
)


@app.callback()
def runs(context: typer.Context, as_json: AsJson = False) -> None:
    """List runs, cancel one, free disk space."""
    if context.invoked_subcommand is None:
        runs_list(as_json)


@app.command("list")
def runs_list(as_json: AsJson = False) -> None:
    """List runs, newest first.

    Example: concord runs list
    """

    def work() -> Answer:
        from flows.commands.runs import list_ as command

        return command()

    answer(work, as_json)


@app.command("cancel")
def runs_cancel(
    run: Annotated[str, typer.Argument(metavar="RUN", help="A run id, or `latest`.")],
    as_json: AsJson = False,
) -> None:
    """Ask a running run to stop; its finished steps are kept.

    Example: concord runs cancel latest
    """

    def work() -> Answer:
        from flows.commands.runs import cancel as command

        return command(run)

    answer(work, as_json)


@app.command("clean")
def runs_clean(
    keep: Annotated[
        int,
        typer.Option(min=1, help="How many of the newest runs of each model keep their files."),
    ] = 3,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only list what would be removed.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Free disk space: remove outputs, caches, checkpoints and packages of old runs.

    Registered versions stay, with everything that serving and rollback need.

    Example: concord runs clean --keep 3 --dry-run
    """

    def work() -> Answer:
        from flows.commands.runs import clean as command

        return command(keep, dry_run=dry_run)

    answer(work, as_json)
