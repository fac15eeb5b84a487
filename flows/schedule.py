"""Serves the main flow as a deployment with a cron schedule.

``python -m flows.schedule conf/demo.yaml --cron "0 3 * * *"``
"""

import argparse
from pathlib import Path

from flows import engines


def main() -> None:
    """Register the deployment and run it when it is due, until interrupted.

    Schedules pause when this process stops.
    """
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("config", type=Path)
    parser.add_argument(
        "--cron", default="0 3 * * *", help="five fields, UTC; default: %(default)s"
    )
    arguments = parser.parse_args()
    engines.quiet()

    from components.config import run as configuration
    from components.config.home import find, writable

    path = arguments.config.resolve()
    name = configuration.load(path).name
    with engines.started(writable(find()), services=True) as running:
        running.wait_for_prefect()
        from flows.retrain import retrain

        retrain.serve(
            name=name,
            cron=arguments.cron,
            parameters={"config": str(path)},
            limit=1,
            pause_on_shutdown=True,
        )


if __name__ == "__main__":
    main()
