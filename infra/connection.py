"""Requests to the API server, by the only importer of the Kubernetes client.

The credentials are those of a kubeconfig or of this pod.
"""

import os
from typing import NoReturn

import kubernetes
import urllib3
from kubernetes.client.exceptions import ApiException
from kubernetes.config.config_exception import ConfigException

from components.core.errors import UserError
from infra.manifests_pod import Manifest
from infra.snapshot import Json
from infra.transport import Query, Send


def connect(context: str | None, kubeconfig: str | None = None) -> Send:
    """A way to send requests, with the credentials of the kubeconfig or else of this pod.

    Args:
        context: of the kubeconfig; the current one by default.
        kubeconfig: its path; by default the present value of ``KUBECONFIG``.

    Raises:
        UserError: neither is usable.
    """
    configuration = kubernetes.client.Configuration()
    # The client reads KUBECONFIG once, on import; renewed credentials may be elsewhere.
    places = kubeconfig or os.environ.get("KUBECONFIG") or "~/.kube/config"
    try:
        kubernetes.config.load_kube_config(places, context, configuration)  # type: ignore[no-untyped-call]
    except ConfigException as error:
        try:
            if context is not None:
                raise
            kubernetes.config.load_incluster_config(configuration)  # type: ignore[no-untyped-call]
        except ConfigException:
            wanted = (
                f"context {context!r} in it"
                if context
                else "one, or to run in a pod with an account"
            )
            raise UserError(
                f"no usable kubeconfig ({error}), wanted {wanted}; "
                "set KUBECONFIG, or `make cluster` for one"
            ) from error
    configuration.retries = False  # Transport knows which requests may be repeated
    client = kubernetes.client.ApiClient(configuration)
    client.user_agent = "concord"

    def send(
        method: str, path: str, *, query: Query, body: Json | None, timeout: tuple[float, float]
    ) -> urllib3.BaseHTTPResponse:
        header: Manifest = {"Accept": "application/json", "Content-Type": "application/json"}
        request = client.param_serialize(
            method,
            path,
            query_params=list(query.items()),
            header_params=header,
            body=body,
            auth_settings=["BearerToken"],
        )
        try:
            answer: urllib3.BaseHTTPResponse = client.call_api(
                *request, _request_timeout=timeout
            ).response
        except ApiException as error:
            _refused(error, configuration.host)
        return answer

    return send


def _refused(error: ApiException, host: str) -> NoReturn:
    """Raise what a request that got no answer failed with.

    The client has a class of its own for failures of TLS. One is another server's certificate; the
    others are those of a server that restarts, and ``Transport`` tries again.
    """
    reason = str(error.reason)
    if "CERTIFICATE_VERIFY_FAILED" in reason:
        raise UserError(
            f"the server at {host} is not the one of the kubeconfig: got a certificate that its "
            f"certificate-authority did not sign ({reason.splitlines()[-1]}); renew the kubeconfig"
        ) from error
    raise urllib3.exceptions.SSLError(reason) from error
