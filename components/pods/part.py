"""One part of a data set: the index of an Indexed Job that this pod is."""

import json
import os
import sys

from components.core.errors import UsageError
from components.exchange.exchange import Exchange
from components.pods.pod import Lines, Pod
from components.shards.spec import ShardSpec
from components.shards.work import run_index


def do_part(spec: ShardSpec, exchange: Exchange, job: str, pod: Pod) -> None:
    """Do the part that ``JOB_COMPLETION_INDEX`` selects, the first where it is not set.

    Raises:
        UsageError: an index that no part has.
        UserError: inputs that are missing or damaged, or an exchange that cannot be written.
    """
    index = _index(len(spec.parts))
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


def _index(parts: int) -> int:
    text = os.environ.get("JOB_COMPLETION_INDEX") or "0"
    if not text.isdecimal() or int(text) >= parts:
        raise UsageError(
            f"JOB_COMPLETION_INDEX: got {text!r}, wanted a number below {parts}, "
            "the parts of the spec"
        )
    return int(text)
