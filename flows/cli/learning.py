"""Commands that improve a model, or estimate what that takes."""

from pathlib import Path
from typing import Annotated

import typer

from flows.cli.options import AsJson, Config, Data, Wait, answer
from flows.commands.answer import Answer


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

    answer(work, as_json)


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

    answer(work, as_json)


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
    """Look for a better configuration: other views, labellers, fusions and network settings.

    Trials are judged only by held-out visible labels of training records. The best one is written
    beside CONFIG as NAME.best.yaml, with its gain and whether that may be chance. Ctrl-C keeps
    what was found, and the same command resumes from there.

    Example: concord sweep conf/demo.yaml --minutes 10
    """

    def work() -> Answer:
        from flows.commands.sweep import sweep as command

        return command(config, minutes=minutes, data=data, wait=wait)

    answer(work, as_json)


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

    answer(work, as_json)


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

    answer(work, as_json)


def methods(
    name: Annotated[
        str | None,
        typer.Argument(metavar="[ID]", help="An id such as S01, a family such as S, or a name."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """List optional methods with their source, their purpose and their measured result.

    Example: concord methods S01
    """

    def work() -> Answer:
        from flows.commands.methods import methods as command

        return command(name)

    answer(work, as_json)
