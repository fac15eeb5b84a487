"""Commands about registered versions: measure, promote, roll back, package."""

from pathlib import Path
from typing import Annotated

import typer

from flows.cli.options import AsJson, Config, Data, Model, Reason, answer
from flows.commands.answer import Answer


def evaluate(
    config: Config,
    version: Annotated[
        str, typer.Option(help="A registered version, or `champion` or `challenger`.")
    ] = "champion",
    leaks: Annotated[
        bool,
        typer.Option(
            "--leaks",
            help="Find copies across splits, and measure without the copied test records.",
        ),
    ] = False,
    reliance: Annotated[
        bool,
        typer.Option("--reliance", help="Show which modalities the answers rely on."),
    ] = False,
    stress: Annotated[
        bool,
        typer.Option("--stress", help="Measure on degraded texts, pictures and sounds."),
    ] = False,
    data: Data = None,
    as_json: AsJson = False,
) -> None:
    """Measure a registered version on the test records of a configuration's data set as it is now.

    Example: concord evaluate conf/demo.yaml --version champion

    Example: concord evaluate conf/demo.yaml --leaks --reliance --stress
    """

    def work() -> Answer:
        from flows.commands.registry import evaluate as command

        asked = {"leaks": leaks, "reliance": reliance, "stress": stress}
        looks = [name for name, wanted in asked.items() if wanted]
        return command(config, version=version, data=data, looks=looks)

    answer(work, as_json)


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

    answer(work, as_json)


def rollback(reason: Reason = "by hand", model: Model = None, as_json: AsJson = False) -> None:
    """Restore the previous champion; the rolled-back version is not promoted again by itself.

    Example: concord rollback --reason "complaints about search"
    """

    def work() -> Answer:
        from flows.commands.registry import rollback as command

        return command(model, reason)

    answer(work, as_json)


def ledger(model: Model = None, as_json: AsJson = False) -> None:
    """Show every look, registration, promotion, refusal and rollback.

    Example: concord ledger
    """

    def work() -> Answer:
        from flows.commands.registry import ledger as command

        return command(model)

    answer(work, as_json)


def canary(
    version: Annotated[
        str | None,
        typer.Argument(help="A version, its digest, or `challenger`; without it, print the trial."),
    ] = None,
    share: Annotated[
        float,
        typer.Option(min=0.0, max=1.0, help="Share of the keys, or with --shadow of the requests."),
    ] = 0.1,
    shadow: Annotated[
        bool,
        typer.Option(help="Answer copies of requests; the answers are stored but not sent."),
    ] = False,
    off: Annotated[bool, typer.Option(help="End the trial; with --shadow, only that.")] = False,
    model: Model = None,
    as_json: AsJson = False,
) -> None:
    """Try a version beside the champion; running endpoints follow within seconds.

    A key (header X-Concord-Key, else token, else address) always gets the same version.

    Example: concord canary challenger --share 0.1
    """

    def work() -> Answer:
        from flows.commands.canary import canary as command

        return command(model, version, share=share, shadow=shadow, off=off)

    answer(work, as_json)


def package(
    named: Annotated[
        str,
        typer.Argument(
            metavar="NAME|VERSION",
            help="A registered model, whose champion is packaged, or a version of --model.",
        ),
    ],
    out: Annotated[Path, typer.Option("--out", help="Folder to make; it must not exist.")],
    model: Model = None,
    as_json: AsJson = False,
) -> None:
    """Write a version as a Bento and as a `docker build` context, for other machines.

    DIR/bento runs with `bentoml serve`; DIR/image has a Dockerfile, locks, the code and the model.

    Example: concord package products --out dist/products
    """

    def work() -> Answer:
        from flows.commands.package import package as command

        return command(named, model=model, out=out)

    answer(work, as_json)
