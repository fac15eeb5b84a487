"""Commands about data sets."""

from pathlib import Path
from typing import Annotated

import typer

from flows.cli import beds
from flows.cli.options import AsJson, answer
from flows.commands.answer import Answer

app = typer.Typer(
    help="Make, import and check data sets.", no_args_is_help=True, rich_markup_mode=None
)

app.command("pair")(beds.pair)
app.command("xor")(beds.xor)


@app.command("glyphs")
def data_glyphs(
    folder: Annotated[
        Path, typer.Argument(metavar="DIR", help="Folder to make; it must not exist.")
    ],
    seed: Annotated[
        int,
        typer.Option(
            min=0,
            max=2**32 - 1,
            help="Seed of the recipe: hidden labels, missing modalities, noise.",
        ),
    ] = 0,
    faces: Annotated[
        str, typer.Option(help="`regular` (5,810 pictures) or `all` (47,492).")
    ] = "regular",
    as_json: AsJson = False,
) -> None:
    """Make the built-in data set: pictures, names and facts of Unicode characters.

    Example: concord data glyphs data/glyphs
    """

    def work() -> Answer:
        from flows.commands.data import glyphs as command

        return command(folder, seed=seed, faces=faces)

    answer(work, as_json)


@app.command("import")
def data_import(
    source: Annotated[
        Path,
        typer.Argument(
            metavar="SRC",
            help="A CSV, TSV, JSON Lines, Parquet or Arrow file, a folder of such files, "
            "or a folder with one sub-folder per class.",
        ),
    ],
    folder: Annotated[
        Path, typer.Argument(metavar="DIR", help="Data set to make; it must not exist.")
    ],
    label: Annotated[
        str | None,
        typer.Option(help="Column with the class or a list of classes; `none`: no classifier."),
    ] = None,
    separator: Annotated[
        str | None, typer.Option(help="Separator of the classes in a record's label.")
    ] = None,
    id_: Annotated[str | None, typer.Option("--id", help="Column with a record's id.")] = None,
    group: Annotated[
        str | None, typer.Option(help="Column of records that stay in one split.")
    ] = None,
    split: Annotated[
        str | None, typer.Option(help="Column with train, val or test; `hash`: no column.")
    ] = None,
    encoding: Annotated[
        str | None, typer.Option(help="Encoding of a text file, if it is not UTF-8.")
    ] = None,
    allow_outside: Annotated[
        bool,
        typer.Option(
            "--allow-outside",
            help="Also pack files outside SRC's folder that the table names.",
        ),
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Turn a table with media paths, or a folder of one sub-folder per class, into a data set.

    Columns are recognised by the usual names (id, label, group, split), or named by options.

    Example: concord data import photos/ data/photos

    Example: concord data import products.csv data/products --label species --encoding cp1252

    Example: concord data import films.csv data/films --label genres --separator ","
    """

    def work() -> Answer:
        from flows.commands.data import import_ as command

        roles = {"label": label, "id": id_, "group": group, "split": split}
        named = {role: column for role, column in roles.items() if column is not None}
        return command(source, folder, named, encoding, separator=separator, outside=allow_outside)

    answer(work, as_json)


@app.command("check")
def data_check(
    folder: Annotated[str, typer.Argument(metavar="DIR", help="The data set.")],
    manifest: Annotated[
        str | None, typer.Option(help="Manifest to use, if the data set has none.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Check a data set as a run would, and list what would be quarantined (then exit code 1).

    It also lists copies and near copies of records; those in different splits inflate scores.

    Example: concord data check data/glyphs
    """

    def work() -> Answer:
        from flows.commands.data import check as command

        return command(folder, manifest)

    answer(work, as_json)
