"""The headless Service of a Job whose pods train together."""

import time

from components.config.trainer import KubernetesTrainer
from infra.manifests import Work, service
from infra.snapshot import Json
from infra.transport import ApiError, Transport


def serve(transport: Transport, work: Work, config: KubernetesTrainer, uid: str) -> None:
    """Create the Service of a Job if its pods need one; one left by an earlier Job is replaced.

    Args:
        transport: the way to the API server.
        work: what the Job does.
        config: the trainer block.
        uid: of the Job, whose deletion deletes the Service.

    Raises:
        ApiError: the cluster does not accept it.
    """
    if (manifest := service(work, config, uid)) is None:
        return
    path = f"/api/v1/namespaces/{config.namespace}/services"
    while True:
        try:
            transport.call("POST", path, body=manifest)
            return
        except ApiError as error:
            if error.status != 409:
                raise
        if _owner(transport, f"{path}/{work.name}") == uid:
            return
        delete(transport, f"{path}/{work.name}", {})
        time.sleep(0.2)


def delete(transport: Transport, path: str, options: Json) -> None:
    """Delete an object if it exists and fits the preconditions.

    Raises:
        ApiError: it may not be deleted.
    """
    try:
        transport.call(
            "DELETE", path, body={"apiVersion": "v1", "kind": "DeleteOptions", **options}
        )
    except ApiError as error:
        if error.status not in (404, 409):  # deleted, or another one of the same name
            raise


def _owner(transport: Transport, path: str) -> str | None:
    try:
        owners = transport.call("GET", path)["metadata"].get("ownerReferences", [{}])
    except ApiError:
        return None
    return str(owners[0].get("uid"))
