"""Time of a run where nothing changed: ``python -m benchmarks.nothing_changed [CONFIG]``.

Uses the state folder as it is, so that a finished run is not made again.
"""

import json
import subprocess
import sys
import time
from pathlib import Path

from benchmarks import _timing

CONFIG = Path(__file__).parents[1] / "conf" / "demo.yaml"


def main() -> None:
    """Run until nothing changes, then time that."""
    command = [
        sys.executable,
        "-m",
        "flows.cli",
        "run",
        sys.argv[1] if len(sys.argv) > 1 else str(CONFIG),
        "--json",
    ]
    timed = []
    for _ in range(3):
        start = time.perf_counter()
        done = subprocess.run(command, check=True, capture_output=True, text=True)
        timed.append((json.loads(done.stdout), time.perf_counter() - start))
    last, again = timed[-1]
    assert last["verdict"] == "nothing changed", last["verdict"]
    work = sum(s["seconds"] for s in timed[0][0]["steps"])
    _timing.report(
        "nothing_changed",
        seconds=again,
        first_run_steps_seconds=work,
        ratio=again / max(work, again),
        target="at most 6 s",
        met=again <= 6,
    )


if __name__ == "__main__":
    main()
