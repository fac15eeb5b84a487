"""Commands that serve the champion and ask it."""

from pathlib import Path
from typing import Annotated

import typer

from components.core.names import FUSED
from flows.cli.options import AsJson, Fields, Image, Model, Text, Url, answer
from flows.commands.answer import Answer
from serving.defaults import HITS, HOST, MAX_HITS, PORT


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

    answer(work, as_json)


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

    answer(work, as_json)


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

    answer(work, as_json)
