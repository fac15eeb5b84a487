"""Set-up for all tests."""

import os

import pytest
from hypothesis import HealthCheck, settings

# Waiting threads must not spin: small tensors on busy cores are then many times faster. Torch
# reads the variable when it is imported.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

# CI may itself run in a pod; a test that needs the variable sets it.
os.environ.pop("KUBERNETES_SERVICE_HOST", None)

# Of several workers each has one core for itself and the processes that it starts, and a cluster
# for itself where `python -m tools.testcluster run` started several.
if "PYTEST_XDIST_WORKER" in os.environ:
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    if numbers := os.environ.get("CONCORD_TESTCLUSTER_NUMBERS"):
        worker = int(os.environ["PYTEST_XDIST_WORKER"].removeprefix("gw"))
        os.environ["CONCORD_TESTCLUSTER_NUMBER"] = numbers.split()[worker]

# How fast a busy machine makes examples is no property of what is tested: the first text of a
# fresh checkout waits for a table of all characters.
settings.register_profile(
    "any machine", deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("any machine")


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
    """Divide the tests by rooms if several workers run them (``make test``)."""
    from tests.workers import Rooms

    return Rooms(config, log) if config.getvalue("dist") == "loadscope" else None
