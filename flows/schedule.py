"""Serves the main flow as a deployment with a cron schedule.

``python -m flows.schedule conf/demo.yaml --cron "0 3 * * *"``
"""

import argparse
import sys
from pathlib import Path

from components.core.errors import UsageError
from flows import cron
from flows.commands.answer import Answer, give
from flows.commands.streams import prepare


def main(arguments: list[str] | None = None) -> int:
    """Register the deployment and run it when it is due, until interrupted.

    Schedules pause when this process stops.
    """
    parser = argparse.ArgumentParser(prog="python -m flows.schedule", description=main.__doc__)
    parser.add_argument("config", type=Path, help="the run's YAML file")
    parser.add_argument(
        "--cron", default="0 3 * * *", help="five fields, UTC; default: %(default)s"
    )
    given = parser.parse_args(arguments)
    return give(lambda: serve(given.config.absolute(), given.cron), as_json=False)


def serve(path: Path, times: str) -> Answer:
    """Check everything that can be checked, then serve until interrupted.

    Args:
        path: the run's YAML.
        times: a cron expression.

    Raises:
        UserError: a mistake in the configuration or the times, or a state folder that cannot be
            written.
    """
    from components.config import run as configuration
    from components.config.home import find, writable

    config = configuration.load(path)
    if wrong := cron.mistake(times):
        raise UsageError(f"--cron {times!r}: {wrong}")
    from flows import engines

    engines.quiet()
    with engines.started(writable(find()), services=True) as running:
        running.wait_for_prefect()
        from flows.retrain import retrain

        retrain.serve(
            name=config.name,
            cron=times,
            parameters={"config": str(path)},
            limit=1,
            pause_on_shutdown=True,
        )
    return Answer(value=None, text=f"{config.name} is no longer scheduled")


if __name__ == "__main__":
    prepare()
    sys.exit(main())
