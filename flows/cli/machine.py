"""Commands about a machine: check it or a cluster, and run a small team's servers on it."""

from pathlib import Path
from typing import Annotated

import typer

from flows.cli.options import AsJson, Model, answer
from flows.commands.answer import Answer
from serving.defaults import PORT


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


def up(
    model: Model = None,
    port: Annotated[int, typer.Option(min=1, max=65535, help="Port of the service.")] = PORT,
    mlflow_port: Annotated[int, typer.Option(min=1, max=65535, help="Port of MLflow.")] = 5000,
    prefect_port: Annotated[int, typer.Option(min=1, max=65535, help="Port of Prefect.")] = 4200,
    postgres: Annotated[
        bool,
        typer.Option("--postgres", help="Run PostgreSQL too, instead of SQLite files."),
    ] = False,
    postgres_port: Annotated[
        int, typer.Option(min=1, max=65535, help="Port of PostgreSQL.")
    ] = 5432,
    as_json: AsJson = False,
) -> None:
    """Run MLflow, Prefect and the service of the champion on this machine, until interrupted.

    This is `infra/compose.yaml` without containers: one screen shows the servers and their
    addresses on 127.0.0.1, and all of them stop when it ends.

    Example: concord up --port 3000
    """

    def work() -> Answer:
        from flows.commands.up import up as command
        from flows.up.services import Ports

        ports = Ports(
            service=port,
            mlflow=mlflow_port,
            prefect=prefect_port,
            postgres=postgres_port if postgres else None,
        )
        return command(model, ports)

    answer(work, as_json)
