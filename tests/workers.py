"""How `pytest -n` divides the tests: a room is tested by one worker, since its tests share costly
fixtures (Prefect's server and a first run, a built Bento and its endpoint, databases)."""

from xdist.scheduler import LoadScopeScheduling

_SHARES = {"tests/behaviour/test_registry_and_homes.py": "tests/components/registry"}
"""Files that use the costly fixtures of a room that they do not lie in: MLflow's empty store."""


def room(nodeid: str) -> str:
    """The room of a test: a folder of ``tests/components`` or of ``tests``; else its file.

    Tests of the cluster share its cluster by worker, and nothing else from file to file.

    >>> room("tests/components/data/test_reader.py::test_text")
    'tests/components/data'
    >>> room("tests/flows/places/test_batch.py::test_all")
    'tests/flows'
    >>> room("tests/behaviour/test_keys.py::test_a_key[1]")
    'tests/behaviour/test_keys.py'
    >>> room("tests/cluster/test_run.py::test_all")
    'tests/cluster/test_run.py'
    """
    file = nodeid.split("::", maxsplit=1)[0]
    parts = file.split("/")
    if parts[:2] == ["tests", "components"]:
        return "/".join(parts[:3])
    if parts[0] == "tests" and parts[1] not in ("behaviour", "cluster"):
        return "/".join(parts[:2])
    return _SHARES.get(file, file)


class Rooms(LoadScopeScheduling):
    """Rooms with many tests begin first."""

    def _split_scope(self, nodeid: str) -> str:
        return room(nodeid)
