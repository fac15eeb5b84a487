"""Commands that serve the champion and ask it."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from components.core.errors import UsageError
from components.core.names import FUSED
from flows.cli.options import AsJson, Fields, Image, Model, Text, Url, answer
from flows.commands.answer import Answer
from serving.defaults import HITS, HOST, MAX_HITS, PORT

if TYPE_CHECKING:
    from flows.commands.batch import Batch


def serve(
    model: Model = None,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = HOST,
    port: Annotated[int, typer.Option(min=1, max=65535, help="Port to listen on.")] = PORT,
    cert: Annotated[
        Path | None, typer.Option("--cert", help="Certificate chain for TLS, in PEM.")
    ] = None,
    key: Annotated[
        Path | None, typer.Option("--key", help="Private key of --cert, in PEM.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Serve the champion and follow the registry until interrupted.

    An address that other machines can reach requires a token from `concord token new`.

    Example: concord serve --port 3000
    """

    def work() -> Answer:
        from flows.commands.serving import serve as command

        return command(model, host=host, port=port, cert=cert, key=key)

    answer(work, as_json)


Source = Annotated[
    str | None,
    typer.Argument(
        metavar="[FILE|DATASET]",
        help="Instead of one record: a Parquet, CSV or JSON Lines file with columns named after "
        "the modalities, or a data set; the answers go to --out.",
    ),
]
Out = Annotated[
    Path | None, typer.Option("--out", help="For FILE or DATASET: the Parquet file to write.")
]
LoadedModel = Annotated[
    str | None,
    typer.Option("--model", help="Load this registered model here, instead of an endpoint."),
]
Version = Annotated[
    str | None,
    typer.Option("--version", help="Load this version here, or `champion` or `challenger`."),
]
Trainer = Annotated[
    Path | None,
    typer.Option(
        "--config", help="For DATASET: a run's YAML, for where the work runs and the manifest."
    ),
]


def classify(
    source: Source = None,
    media: Image = None,
    text: Text = None,
    fields: Fields = None,
    url: Url = None,
    out: Out = None,
    model: LoadedModel = None,
    version: Version = None,
    config: Trainer = None,
    as_json: AsJson = False,
) -> None:
    """Classify one record from any subset of its modalities, or all records of a file or data set.

    The running endpoint answers one record; if none runs, the champion is loaded and answers.
    An interrupted batch resumes with the same command.

    Example: concord classify --media image=arrow.png --text "text=LEFTWARDS ARROW"

    Example: concord classify data/new --out answers.parquet
    """

    def work() -> Answer:
        given = (media or [], text or [], fields or [])
        if is_batch(source, any(given), url=url, out=out, config=config):
            from flows.commands.batch import classify_all

            return classify_all(_batch(source, out, model, version, config))
        from flows.commands.asking import classify as command

        return command(given, url, model, version)

    answer(work, as_json)


def embed(
    source: Source = None,
    media: Image = None,
    text: Text = None,
    fields: Fields = None,
    url: Url = None,
    out: Out = None,
    model: LoadedModel = None,
    version: Version = None,
    config: Trainer = None,
    as_json: AsJson = False,
) -> None:
    """Compute the vectors of one record, or of all records of a file or data set.

    A record has a unit vector for each of its modalities, and `fused` for all of them together.

    Example: concord embed --text "text=LEFTWARDS ARROW" --json

    Example: concord embed data/new --out vectors.parquet
    """

    def work() -> Answer:
        given = (media or [], text or [], fields or [])
        if is_batch(source, any(given), url=url, out=out, config=config):
            from flows.commands.batch import embed_all

            return embed_all(_batch(source, out, model, version, config))
        from flows.commands.asking import embed as command

        return command(given, url, model, version)

    answer(work, as_json)


def search(
    media: Image = None,
    text: Text = None,
    fields: Fields = None,
    like: Annotated[
        list[str] | None,
        typer.Option("--like", help="Id of a record of the index: more like this; repeatable."),
    ] = None,
    unlike: Annotated[
        list[str] | None,
        typer.Option("--unlike", help="Id of a record of the index: less like this; repeatable."),
    ] = None,
    where: Annotated[
        str | None,
        typer.Option("--filter", help="Filter in JSON, in the form of `POST /v1/search`."),
    ] = None,
    target: Annotated[str, typer.Option(help="Modality to search in, or `fused`.")] = FUSED,
    k: Annotated[
        int, typer.Option("-k", min=1, max=MAX_HITS, help="How many records to return.")
    ] = HITS,
    url: Url = None,
    model: LoadedModel = None,
    version: Version = None,
    as_json: AsJson = False,
) -> None:
    """Find the nearest records, from any modality to any.

    The running endpoint answers; if none runs, the champion and its own index are loaded.

    Example: concord search --text "text=white chess queen" --target image -k 5

    Example: concord search --like r17 --unlike r20 --filter '{"labels": ["Arrows"]}'
    """

    def work() -> Answer:
        from flows.commands.asking import Search
        from flows.commands.asking import search as command

        given = (media or [], text or [], fields or [])
        wanted = Search(
            given=given, like=like or [], unlike=unlike or [], where=where, target=target, k=k
        )
        return command(wanted, url, model, version)

    answer(work, as_json)


def is_batch(
    source: str | None, one: bool, *, url: str | None, out: Path | None, config: Path | None
) -> bool:
    """Whether a file or a data set is meant, not one record.

    Args:
        source: the file or data set, if one is given.
        one: whether a record is given.
        url: of an endpoint.
        out: the file to write.
        config: a run's YAML.

    Raises:
        UsageError: both are given, or an option of the one without it.
    """
    if source is not None and (one or url):
        raise UsageError(
            f"{source} is a batch; --media, --text, --fields and --url are for one record: "
            "give either"
        )
    if source is None and (out or config):
        raise UsageError(
            "--out and --config belong to FILE or DATASET, the records to answer; give that too"
        )
    if source is not None and out is None:
        raise UsageError(f"{source} needs --out FILE.parquet, where the answers go")
    return source is not None


def _batch(
    source: str | None,
    out: Path | None,
    model: str | None,
    version: str | None,
    config: Path | None,
) -> "Batch":
    from flows.commands.batch import Batch

    assert source is not None
    assert out is not None
    return Batch(source=source, out=out, model=model, version=version or "champion", config=config)
