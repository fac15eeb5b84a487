"""The command line. Nothing heavy is imported before a command needs it."""

import typer

from flows.cli import classes, data, endpoint, feedback, learning, machine, runs, tokens, versions
from flows.commands.streams import prepare

app = typer.Typer(
    name="concord",
    help="One dependable, searchable, always-fresh model from multimodal records with few labels.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
for command in (
    learning.demo,
    learning.run,
    learning.sweep,
    learning.explain,
    versions.evaluate,
    versions.promote,
    versions.rollback,
    versions.ledger,
    versions.package,
    versions.canary,
    endpoint.serve,
    endpoint.classify,
    endpoint.embed,
    endpoint.search,
    learning.plan,
    learning.methods,
    machine.doctor,
    machine.up,
):
    app.command()(command)
app.add_typer(data.app, name="data")
app.add_typer(classes.app, name="classes")
app.add_typer(runs.app, name="runs")
app.add_typer(tokens.app, name="token")
app.add_typer(feedback.app, name="feedback")


def main() -> None:
    """The command line, with streams that can show any answer."""
    prepare()
    app()
