"""Time of the flow over bare calls, engines up: ``python -m benchmarks.flow_overhead``."""

import os
import sys
import tempfile
import time
from pathlib import Path

from benchmarks import _timing

CONFIG = Path(__file__).parents[1] / "conf" / "demo.yaml"


def bare(path: Path, home: Path) -> float:
    """Steps and effects in order, without Prefect."""
    from flows import effects
    from flows.runs.session import Session

    start = time.perf_counter()
    with Session.opened(path, data=None, home=str(home), flow_run=None) as session:
        for step in session.table:
            session.execute(step, session.inputs(step), log=lambda _: None)
        packed, results = (session.output(n) for n in ("package", "evaluate"))
        version = effects.register(session, packed, results)
        effects.promote(session, version, effects.gate(session, version, results))
        effects.serve(session, version, packed)
    return time.perf_counter() - start


def main() -> None:
    """Time both on fresh state after all imports; the bare one runs first and pays warm-up."""
    path = Path(sys.argv[1]) if len(sys.argv) > 1 else CONFIG
    from components.config.home import Home
    from flows import engines
    from flows.run import warm

    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        with engines.started(Home(root=root / "engines")) as running:
            warm()
            running.wait_for_prefect()
            from components.registry.mlflow_client import Store
            from flows.retrain import retrain

            for name in ("bare", "flow"):
                (root / name).mkdir()
                Store(Home(root=root / name)).prepare()
            alone = bare(path, root / "bare")
            os.environ["CONCORD_HOME"] = str(root / "flow")
            start = time.perf_counter()
            retrain(str(path), home=str(root / "flow"))
            flow = time.perf_counter() - start
    ratio = flow / alone
    _timing.report(
        "flow_overhead",
        flow_seconds=flow,
        bare_seconds=alone,
        ratio=ratio,
        target="at most 1.15",
        met=ratio <= 1.15,
    )


if __name__ == "__main__":
    main()
