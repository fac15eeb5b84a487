"""The command that checks a machine or a cluster."""

from pathlib import Path
from typing import Annotated

import typer

from flows.cli.options import AsJson, answer
from flows.commands.answer import Answer


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

    answer(work, as_json)
