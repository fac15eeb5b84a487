"""Options that several commands have, and how each command gives its answer."""

from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from flows.commands.answer import Answer, give
from serving.defaults import URL

Wait = Annotated[
    bool,
    typer.Option(
        "--wait/--no-wait", help="Wait for another run on the same state, or fail at once."
    ),
]
AsJson = Annotated[
    bool,
    typer.Option(
        "--json", help="Print one JSON object on standard output; the rest goes to standard error."
    ),
]
Config = Annotated[Path, typer.Argument(help="The run's YAML file.", metavar="CONFIG")]
Data = Annotated[
    str | None, typer.Option("--data", help="Data set to use instead of the configuration's.")
]
Model = Annotated[
    str | None,
    typer.Option("--model", help="Registered model name; required if there are several."),
]
Url = Annotated[
    str | None,
    typer.Option(
        "--url", help=f"Address of the endpoint, as `concord serve` shows it; default: {URL}."
    ),
]
Reason = Annotated[str, typer.Option("--reason", help="Why; it is written to the ledger.")]
Image = Annotated[list[str] | None, typer.Option("--media", help="modality=FILE, repeatable.")]
Text = Annotated[list[str] | None, typer.Option("--text", help="modality=TEXT, repeatable.")]
Fields = Annotated[
    list[str] | None, typer.Option("--fields", help="modality=JSON object of columns, repeatable.")
]


def answer(work: Callable[[], Answer], as_json: bool) -> None:
    """Do the work of a command, print its answer and exit."""
    raise typer.Exit(give(work, as_json=as_json))
