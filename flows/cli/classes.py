"""Commands about the classes of a model."""

from typing import Annotated

import typer

from flows.cli.options import AsJson, Model, answer
from flows.commands.answer import Answer

app = typer.Typer(
    help="List the classes of a model, or add one without training.",
    no_args_is_help=True,
    rich_markup_mode=None,
)


@app.command("list")
def classes_list(
    model: Model = None,
    version: Annotated[
        str, typer.Option(help="A registered version, or `champion` or `challenger`.")
    ] = "champion",
    as_json: AsJson = False,
) -> None:
    """List the classes that a registered version answers with.

    Example: concord classes list
    """

    def work() -> Answer:
        from flows.commands.classes import list_ as command

        return command(model, version)

    answer(work, as_json)


@app.command("add")
def classes_add(
    name: Annotated[str, typer.Argument(metavar="NAME", help="The new class.")],
    data: Annotated[
        str | None,
        typer.Option(
            "--from",
            metavar="DATA",
            help="Data set with exemplars: its records with the label NAME, or all of them if it "
            "has no labels. Without it, only the name is used, by a view that reads names: a "
            "text view, or pictures through an image-text model.",
        ),
    ] = None,
    with_name: Annotated[
        bool,
        typer.Option("--with-name", help="Use the name as well as the exemplars of --from."),
    ] = False,
    model: Model = None,
    version: Annotated[
        str, typer.Option(help="The version to extend; `challenger` to add a further class.")
    ] = "champion",
    as_json: AsJson = False,
) -> None:
    """Add a class without training, as a new version for `concord promote`.

    The logits of the known classes stay as they are. One exemplar is enough, with any modality. A
    name alone is worth less; the command reports how well known classes do if added that way.

    Example: concord classes add heron --from data/herons

    Example: concord classes add heron --from data/herons --with-name

    Example: concord classes add heron
    """

    def work() -> Answer:
        from flows.commands.classes import add as command

        return command(name, data=data, model=model, version=version, with_name=with_name)

    answer(work, as_json)
