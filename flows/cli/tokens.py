"""Commands about the tokens of the service."""

from typing import Annotated

import typer

from flows.cli.options import AsJson, answer
from flows.commands.answer import Answer

app = typer.Typer(
    help="Make, list and revoke the tokens of the service.",
    no_args_is_help=True,
    rich_markup_mode=None,
)


@app.command("new")
def token_new(
    name: Annotated[str, typer.Option("--name", help="Name of the token, also in the answer log.")],
    scope: Annotated[
        list[str],
        typer.Option(
            "--scope",
            help="`predict` (all reading), `write` (records), `feedback` or `admin` "
            "(metrics, control of versions); repeatable.",
        ),
    ],
    rate: Annotated[
        int | None,
        typer.Option("--rate", min=1, max=1_000_000, help="Requests allowed per minute."),
    ] = None,
    days: Annotated[
        int | None, typer.Option("--days", min=1, max=3650, help="Days until it expires.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Make a token and print it once; the store keeps only its digest.

    A running service accepts it within five seconds.

    Example: concord token new --name shop --scope predict --scope feedback --rate 600
    """

    def work() -> Answer:
        from flows.commands.tokens import new as command

        return command(name, scope, rate=rate, days=days)

    answer(work, as_json)


@app.command("list")
def token_list(as_json: AsJson = False) -> None:
    """List tokens by name, oldest first, with their scopes.

    Example: concord token list
    """

    def work() -> Answer:
        from flows.commands.tokens import list_ as command

        return command()

    answer(work, as_json)


@app.command("revoke")
def token_revoke(
    name: Annotated[str, typer.Argument(metavar="NAME", help="As `concord token list` shows it.")],
    as_json: AsJson = False,
) -> None:
    """Revoke a token; a running service refuses it within five seconds.

    Example: concord token revoke shop
    """

    def work() -> Answer:
        from flows.commands.tokens import revoke as command

        return command(name)

    answer(work, as_json)
