"""Commands about the feedback of people on answers."""

from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer

from flows.cli.options import AsJson, answer
from flows.commands.answer import Answer

app = typer.Typer(
    help="List and export the labels and judgements that the service received.",
    no_args_is_help=True,
    rich_markup_mode=None,
)
_Since = Annotated[
    datetime | None,
    typer.Option(
        "--since",
        formats=["%Y-%m-%d", "%Y-%m-%dT%H:%M:%S"],
        help="Only what was given or changed since this time (UTC).",
    ),
]


@app.command("list")
def feedback_list(since: _Since = None, as_json: AsJson = False) -> None:
    """List feedback, oldest first: the answer or record, and the judgement.

    Example: concord feedback list --since 2026-01-31
    """

    def work() -> Answer:
        from flows.commands.feedback import list_ as command

        return command(since)

    answer(work, as_json)


@app.command("export")
def feedback_export(
    out: Annotated[Path, typer.Option("--out", help="Parquet file to write.")],
    since: _Since = None,
    as_json: AsJson = False,
) -> None:
    """Write the labels that were given, as a file for `concord data import`.

    Values of a record are included if the answer log keeps payloads (`serving.log_payloads`).

    Example: concord feedback export --out feedback.parquet
    """

    def work() -> Answer:
        from flows.commands.feedback import export as command

        return command(out, since)

    answer(work, as_json)
