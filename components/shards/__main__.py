"""What a pod of an Indexed Job runs, between ``--config EXCHANGE/jobs/JOB/spec.json`` and ``--out EXCHANGE/jobs/JOB``.

Which part it does says ``JOB_COMPLETION_INDEX``; how it ends says an exit code of ``components.pods.exit_codes``.
"""

import json
import os
import signal
import sys
from types import FrameType

from pydantic import ValidationError

from components.core.errors import UsageError
from components.exchange.exchange import Exchange, ExchangeError, split
from components.pods import exit_codes as exits
from components.pods.handover import opened
from components.pods.pod import Lines, Parser, Pod, ended, message
from components.shards.spec import ShardSpec


def main(arguments: list[str] | None = None) -> int:
    """Do one part of a task, and put the result under this attempt's token; progress goes to standard error as JSON lines."""
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _leave)

    def work() -> int:
        given = Parser("python -m components.shards", main.__doc__).parse_args(arguments)
        pod = Pod.read()
        pod.preflight()
        _do(given.config, given.out, pod)
        return exits.DONE

    return ended(work)


def _do(config: str, out: str, pod: Pod) -> None:
    exchange, job = opened(out)
    spec = _spec(config)
    index = _index(len(spec.parts))
    from components.shards.work import run_index  # torch: after all that can be said without it

    figures = run_index(
        spec,
        index,
        exchange=exchange,
        job=job,
        attempt=pod.token,
        cache=pod.cache,
        progress=Lines().progress,
    )
    sys.stdout.write(json.dumps({"index": index, **figures}) + "\n")


def _spec(config: str) -> ShardSpec:
    root, below = split(config)
    if not root:
        raise UsageError(f"--config: got {config}, wanted EXCHANGE/jobs/JOB/spec.json")
    try:
        return ShardSpec.model_validate_json(Exchange(root).read(below))
    except (
        FileNotFoundError
    ) as error:  # a shared folder may show what the run has written only a while later
        raise ExchangeError(
            f"--config: nothing at {config}; if it stays so, submit the run again"
        ) from error
    except ValidationError as error:
        raise UsageError(f"--config: {config} is no ShardSpec: {error}") from error


def _index(parts: int) -> int:
    text = os.environ.get("JOB_COMPLETION_INDEX") or "0"
    if not text.isdecimal() or int(text) >= parts:
        raise UsageError(
            f"JOB_COMPLETION_INDEX: got {text!r}, wanted a number below {parts}, the parts of the spec"
        )
    return int(text)


def _leave(number: int, frame: FrameType | None) -> None:  # noqa: ARG001
    """End at once: what is finished lies in the exchange, and the chunk at hand may last longer than the grace period."""
    message(
        f"stopped by {signal.Signals(number).name}; finished chunks are kept, the next attempt goes on there",
        cause=False,
    )
    sys.exit(exits.INTERRUPTED)


if __name__ == "__main__":
    sys.exit(main())
