"""The cluster of the tests (``KUBECONFIG``'s or this machine's own) and what its pods need."""

import os
import secrets
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import s3fs
import yaml

from tests.cluster.blocks import checkout, sharing
from tests.cluster.kubectl import Kubectl
from tests.cluster.s3_server import S3Server, serving
from tools.testcluster import cluster, faults, layout

OWN = "this needs the cluster that `make cluster` starts, and KUBECONFIG names another"
OTHER = "CONCORD_TEST_TRAINER"
"""Names the YAML file with the trainer block for tests on another cluster."""


_RESET = r"ignore:Exception ignored in. <ssl\.SSLSocket:pytest.PytestUnraisableExceptionWarning"
"""Python 3.11 leaves it to the garbage collector to close a TLS socket whose peer resets the
connection before the handshake (``SSLSocket._create``), as an API server does that restarts."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Allow what Python itself leaves open while the API server is restarted."""
    for item in items:
        if item.path.is_relative_to(Path(__file__).parent):
            item.add_marker(pytest.mark.filterwarnings(_RESET))


@pytest.fixture(autouse=True, scope="module")
def _as_found() -> Iterator[None]:
    """Restore the environment after each file of tests and drop the S3 clients it made."""
    before = dict(os.environ)
    yield
    os.environ.clear()
    os.environ.update(before)
    s3fs.S3FileSystem.clear_instance_cache()


@pytest.fixture(scope="session")
def kubeconfig() -> Iterator[Path]:
    """The kubeconfig of the cluster under test; ``KUBECONFIG`` holds it while tests run."""
    given = os.environ.get("KUBECONFIG")
    if not given and not cluster.is_up():
        pytest.fail(
            "no cluster: KUBECONFIG is not set and this machine's own does not run; "
            "`make test-cluster` starts it"
        )
    path = Path(given) if given else layout.KUBECONFIG
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("KUBECONFIG", str(path))
        yield path


@pytest.fixture(scope="session")
def kubectl(kubeconfig: Path) -> Kubectl:
    """Run kubectl as the user of the kubeconfig."""
    return Kubectl(kubeconfig)


@pytest.fixture(scope="session")
def own_cluster(kubeconfig: Path) -> ModuleType:
    """Faults that tests may cause on this machine's own cluster; skips on any other."""
    if kubeconfig != layout.KUBECONFIG:
        pytest.skip(OWN)
    return faults


@pytest.fixture(scope="module")
def namespace(kubectl: Kubectl) -> Iterator[str]:
    """A namespace for each file of tests, deleted with all its objects."""
    name = f"test-{secrets.token_hex(4)}"
    kubectl("create", "namespace", name)
    kubectl("-n", name, "wait", "serviceaccount/default", "--for=create", "--timeout=60s")
    yield name
    kubectl("delete", "namespace", name, "--wait=false")


@pytest.fixture
def exchange(tmp_path: Path) -> Path:
    """A folder that pods of any user may write; ``trainer`` mounts it as ``/exchange``."""
    folder = tmp_path / "exchange"
    folder.mkdir()
    folder.chmod(0o1777)
    return folder


@pytest.fixture
def pod_code(own_cluster: ModuleType) -> dict[str, Any]:  # noqa: ARG001  the mounted folders are this machine's
    """The fields of a trainer block with which a pod runs this checkout by this interpreter."""
    return checkout()


@pytest.fixture
def trainer(request: pytest.FixtureRequest, kubeconfig: Path, namespace: str) -> dict[str, Any]:
    """A trainer block whose exchange is a shared folder; on another cluster, the user's block."""
    if kubeconfig != layout.KUBECONFIG:
        if OTHER not in os.environ:
            pytest.skip(f"{OWN}; {OTHER} may name a YAML file with a trainer block for it")
        return {
            **yaml.safe_load(Path(os.environ[OTHER]).read_text(encoding="utf-8")),
            "namespace": namespace,
        }
    return sharing(request.getfixturevalue("exchange"), namespace)


@pytest.fixture(scope="session")
def s3(own_cluster: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:  # noqa: ARG001
    """A real S3 server over a folder, at an address that this machine and its pods reach."""
    with serving(layout.NODES[0].address, tmp_path_factory.mktemp("s3")) as server:
        yield server
