"""The command line. Nothing heavy is imported before a command needs it."""

from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from components.core.names import FUSED
from flows.commands.answer import Answer, give
from flows.commands.streams import prepare
from serving.defaults import HITS, HOST, MAX_HITS, PORT, URL

app = typer.Typer(
    name="concord",
    help="One dependable, searchable, always-fresh model from multimodal records with few labels.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
data_app = typer.Typer(
    help="Make, import and check data sets.", no_args_is_help=True, rich_markup_mode=None
)
runs_app = typer.Typer(
    help="List runs, cancel one, free disk.\n\nExample: concord runs list",
    invoke_without_command=True,
    rich_markup_mode=None,
)
classes_app = typer.Typer(
    help="List the classes of a model, or add one without training.",
    no_args_is_help=True,
    rich_markup_mode=None,
)
app.add_typer(data_app, name="data")
app.add_typer(classes_app, name="classes")
app.add_typer(runs_app, name="runs")

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


@app.command()
def demo(
    as_json: AsJson = False,
    keep: Annotated[bool, typer.Option(help="Leave the endpoint running at the end.")] = False,
) -> None:
    """Run the whole loop on the built-in glyphs, then ask the served model ten questions.

    Example: concord demo
    """

    def work() -> Answer:
        from flows.commands.demo import demo as command

        return command(keep=keep)

    _answer(work, as_json)


@app.command()
def run(
    config: Config,
    data: Data = None,
    require: Annotated[
        str | None, typer.Option(help="Exit 1 unless the verdict is this, for example `promote`.")
    ] = None,
    wait: Wait = True,
    as_json: AsJson = False,
) -> None:
    """Bring a configuration's model up to date: validate, train, evaluate, gate, promote.

    Example: concord run conf/demo.yaml
    """

    def work() -> Answer:
        from flows.commands.run import run as command

        return command(config, data=data, require=require, wait=wait)

    _answer(work, as_json)


@app.command()
def sweep(
    config: Config,
    minutes: Annotated[
        float,
        typer.Option(
            min=0.01,
            max=100_000,
            help="No trial starts after this time; the configuration itself is always tried.",
        ),
    ] = 10.0,
    data: Data = None,
    wait: Wait = True,
    as_json: AsJson = False,
) -> None:
    """Look for a better configuration: other views, labeller, fusion, settings of the network.

    Trials are judged by held-out visible labels of the training records alone. The best one is
    written beside CONFIG as NAME.best.yaml, with how much better it is and whether that is noise.
    Ctrl-C keeps what was found, and the same command goes on from there.

    Example: concord sweep conf/demo.yaml --minutes 10
    """

    def work() -> Answer:
        from flows.commands.sweep import sweep as command

        return command(config, minutes=minutes, data=data, wait=wait)

    _answer(work, as_json)


@app.command()
def explain(
    run: Annotated[str, typer.Argument(metavar="RUN", help="A run id, or `latest`.")],
    as_json: AsJson = False,
) -> None:
    """Show why each step of a run ran or not, and why the gate decided as it did.

    Example: concord explain latest
    """

    def work() -> Answer:
        from flows.commands.runs import explain as command

        return command(run)

    _answer(work, as_json)


@app.command()
def evaluate(
    config: Config,
    version: Annotated[
        str, typer.Option(help="A registered version, or `champion` or `challenger`.")
    ] = "champion",
    data: Data = None,
    as_json: AsJson = False,
) -> None:
    """Measure a registered version on the test records of a configuration's data set as it is now.

    Example: concord evaluate conf/demo.yaml --version champion
    """

    def work() -> Answer:
        from flows.commands.registry import evaluate as command

        return command(config, version=version, data=data)

    _answer(work, as_json)


@app.command()
def promote(
    version: Annotated[
        str,
        typer.Argument(
            help="The registered version, or the first characters of its package's digest.",
            metavar="VERSION",
        ),
    ],
    reason: Reason = "by hand",
    model: Model = None,
    as_json: AsJson = False,
) -> None:
    """Make a version champion by hand; the ledger records who did it and why.

    Example: concord promote 3 --reason "checked by eye"
    """

    def work() -> Answer:
        from flows.commands.registry import promote as command

        return command(model, version, reason)

    _answer(work, as_json)


@app.command()
def rollback(reason: Reason = "by hand", model: Model = None, as_json: AsJson = False) -> None:
    """Restore the previous champion; the rolled-back version is not promoted again by itself.

    Example: concord rollback --reason "complaints about search"
    """

    def work() -> Answer:
        from flows.commands.registry import rollback as command

        return command(model, reason)

    _answer(work, as_json)


@app.command()
def ledger(model: Model = None, as_json: AsJson = False) -> None:
    """Show every look, registration, promotion, refusal and rollback.

    Example: concord ledger
    """

    def work() -> Answer:
        from flows.commands.registry import ledger as command

        return command(model)

    _answer(work, as_json)


@app.command()
def serve(
    model: Model = None,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = HOST,
    port: Annotated[int, typer.Option(min=1, max=65535, help="Port to listen on.")] = PORT,
    as_json: AsJson = False,
) -> None:
    """Serve the champion and follow the registry until interrupted.

    Example: concord serve --port 3000
    """

    def work() -> Answer:
        from flows.commands.serving import serve as command

        return command(model, host=host, port=port)

    _answer(work, as_json)


@app.command()
def classify(
    media: Image = None,
    text: Text = None,
    fields: Fields = None,
    url: Url = None,
    data: Annotated[
        str | None,
        typer.Option("--data", help="Answer all records of this data set instead, into --out."),
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", help="With --data: the Parquet file to write.")
    ] = None,
    model: Annotated[
        str | None,
        typer.Option(
            "--model", help="With --data: registered model name; required if there are several."
        ),
    ] = None,
    version: Annotated[
        str, typer.Option(help="With --data: a version, or `champion` or `challenger`.")
    ] = "champion",
    config: Annotated[
        Path | None,
        typer.Option(
            "--config", help="With --data: a run's YAML; where the work is done, and the manifest."
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Classify one record from any subset of its modalities, or all records of a data set.

    Example: concord classify --media image=arrow.png --text "text=LEFTWARDS ARROW"

    Example: concord classify --data data/new --out answers.parquet
    """

    def work() -> Answer:
        from flows.commands.batch import classify_all, one_of_both
        from flows.commands.serving import classify as command

        if one_of_both(
            data, one=bool(media or text or fields or url), all_=bool(out or model or config)
        ):
            return classify_all(data or "", out=out, model=model, version=version, config=config)
        return command(media or [], text or [], fields or [], url)

    _answer(work, as_json)


@app.command()
def search(
    media: Image = None,
    text: Text = None,
    fields: Fields = None,
    target: Annotated[str, typer.Option(help="Modality to search in, or `fused`.")] = FUSED,
    k: Annotated[
        int, typer.Option("-k", min=1, max=MAX_HITS, help="How many records to return.")
    ] = HITS,
    url: Url = None,
    as_json: AsJson = False,
) -> None:
    """Ask the endpoint for the nearest records, from any modality to any.

    Example: concord search --text "text=white chess queen" --target image -k 5
    """

    def work() -> Answer:
        from flows.commands.serving import search as command

        return command(media or [], text or [], fields or [], target=target, k=k, url=url)

    _answer(work, as_json)


@app.command()
def plan(
    config: Config,
    records: Annotated[
        list[int] | None,
        typer.Option(
            min=1, help="Size to plan for, repeatable; default: the set's own and 10^4 to 10^9."
        ),
    ] = None,
    profile: Annotated[
        Path | None,
        typer.Option(help="Rates measured elsewhere, instead of measuring this machine."),
    ] = None,
    save_profile: Annotated[
        Path | None, typer.Option(help="Keep the measured rates in this file.")
    ] = None,
    data: Data = None,
    as_json: AsJson = False,
) -> None:
    """Estimate time, bytes and GPU hours at other sizes, and an engine for each stage.

    Example: concord plan conf/demo.yaml --records 1000000
    """

    def work() -> Answer:
        from flows.commands.plan import plan as command

        return command(
            config, records=records or [], profile=profile, save_profile=save_profile, data=data
        )

    _answer(work, as_json)


@app.command()
def doctor(
    cluster: Annotated[
        Path | None,
        typer.Option(
            metavar="CONFIG",
            help="Check the cluster of this configuration: rights, storage, image.",
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Check this machine or a cluster, and show what is missing and how to get it.

    Example: concord doctor --cluster conf/cluster.yaml
    """

    def work() -> Answer:
        from flows.commands.doctor import doctor as command

        return command(cluster)

    _answer(work, as_json)


@classes_app.command("list")
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

    _answer(work, as_json)


@classes_app.command("add")
def classes_add(
    name: Annotated[str, typer.Argument(metavar="NAME", help="The new class.")],
    data: Annotated[
        str | None,
        typer.Option(
            "--from",
            metavar="DATA",
            help="Data set with exemplars: its records with the label NAME, or all of them if it "
            "has no labels. Without it the name alone tells, through a view that reads names: a "
            "text view, or pictures through an image-text model.",
        ),
    ] = None,
    model: Model = None,
    version: Annotated[
        str, typer.Option(help="The version that gets the class; `challenger` adds another one.")
    ] = "champion",
    as_json: AsJson = False,
) -> None:
    """Add a class without training, as a new version for `concord promote`.

    The logits of the known classes stay as they are. One exemplar is enough, with any modality; a
    name alone is worth less, and known classes that are added in the same way tell how much.

    Example: concord classes add heron --from data/herons

    Example: concord classes add heron
    """

    def work() -> Answer:
        from flows.commands.classes import add as command

        return command(name, data=data, model=model, version=version)

    _answer(work, as_json)


@data_app.command("glyphs")
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

    _answer(work, as_json)


@data_app.command("import")
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
        typer.Option(help="Column with the class, or a list of them; `none` predicts nothing."),
    ] = None,
    separator: Annotated[
        str | None, typer.Option(help="Between the classes of one record in its label.")
    ] = None,
    id_: Annotated[str | None, typer.Option("--id", help="Column with a record's id.")] = None,
    group: Annotated[
        str | None, typer.Option(help="Column of records that stay in one split.")
    ] = None,
    split: Annotated[
        str | None, typer.Option(help="Column with train, val or test; `hash` uses none.")
    ] = None,
    encoding: Annotated[
        str | None, typer.Option(help="Encoding of a text file, if it is not UTF-8.")
    ] = None,
    allow_outside: Annotated[
        bool,
        typer.Option(
            "--allow-outside",
            help="Pack files outside SRC's folder too, where the table names them.",
        ),
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Turn a table with media paths, or a folder of one sub-folder per class, into a data set.

    Columns have the usual names (id, label, group, split), or those that you give.

    Example: concord data import photos/ data/photos

    Example: concord data import products.csv data/products --label species --encoding cp1252

    Example: concord data import films.csv data/films --label genres --separator ","
    """

    def work() -> Answer:
        from flows.commands.data import import_ as command

        roles = {"label": label, "id": id_, "group": group, "split": split}
        named = {role: column for role, column in roles.items() if column is not None}
        return command(source, folder, named, encoding, separator=separator, outside=allow_outside)

    _answer(work, as_json)


@data_app.command("check")
def data_check(
    folder: Annotated[str, typer.Argument(metavar="DIR", help="The data set.")],
    manifest: Annotated[
        str | None, typer.Option(help="Manifest, if the data set has none.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Check a data set as a run would, and list what would be quarantined (then exit code 1).

    Example: concord data check data/glyphs
    """

    def work() -> Answer:
        from flows.commands.data import check as command

        return command(folder, manifest)

    _answer(work, as_json)


@runs_app.callback()
def runs(context: typer.Context, as_json: AsJson = False) -> None:
    """List runs, cancel one, free disk space."""
    if context.invoked_subcommand is None:
        runs_list(as_json)


@runs_app.command("list")
def runs_list(as_json: AsJson = False) -> None:
    """List runs, newest first.

    Example: concord runs list
    """

    def work() -> Answer:
        from flows.commands.runs import list_ as command

        return command()

    _answer(work, as_json)


@runs_app.command("cancel")
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

    _answer(work, as_json)


@runs_app.command("clean")
def runs_clean(
    keep: Annotated[
        int,
        typer.Option(min=1, help="How many of the newest runs of each model keep their content."),
    ] = 3,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only say what would be removed.")
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

    _answer(work, as_json)


def _answer(work: Callable[[], Answer], as_json: bool) -> None:
    raise typer.Exit(give(work, as_json=as_json))


def main() -> None:
    """The command line, with streams that can show any answer."""
    prepare()
    app()


if __name__ == "__main__":
    main()
