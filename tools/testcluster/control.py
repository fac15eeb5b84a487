"""The control plane as local processes: etcd, API server, controllers, scheduler, DNS."""

import subprocess

from tools.testcluster import credentials, processes
from tools.testcluster.binaries import binary
from tools.testcluster.layout import (
    API_ADDRESS,
    CONTROLLERS_PORT,
    DNS_ADDRESS,
    ETCD_PEER_URL,
    ETCD_URL,
    KUBECONFIG,
    SCHEDULER_PORT,
    SERVICE_RANGE,
    STATE,
)
from tools.testcluster.shell import run, wait_for

ETCD, API_SERVER, CONTROLLERS, SCHEDULER, DNS = (
    "etcd",
    "kube-apiserver",
    "kube-controller-manager",
    "kube-scheduler",
    "coredns",
)


def start() -> None:
    """Start what does not run, and wait until the API server answers as ready."""
    processes.start(ETCD, _etcd())
    processes.start(API_SERVER, _api_server())
    logs = processes.LOGS / f"{API_SERVER}.log"
    wait_for("the API server's certificate", credentials.API_CERTIFICATE.exists, 60, str(logs))
    credentials.write_kubeconfigs()
    wait_for("the API server", ready, 120, str(logs))
    processes.start(CONTROLLERS, _controllers())
    processes.start(SCHEDULER, _scheduler())
    _allow_dns()
    processes.start(DNS, _dns())


def ready() -> bool:
    """Whether the API server reports that it is ready."""
    asked = [
        binary("kubectl"),
        "--kubeconfig",
        str(KUBECONFIG),
        "get",
        "--raw",
        "/readyz",
        "--request-timeout=5s",
    ]
    return (
        KUBECONFIG.exists()
        and subprocess.run(asked, capture_output=True, check=False).returncode == 0
    )


def has_account() -> bool:
    """Whether pods can be created in the default namespace: its service account exists."""
    return bool(kubectl("get", "serviceaccount", "default", "--ignore-not-found"))


def kubectl(*arguments: str, stdin: str | None = None) -> str:
    """Run kubectl as the administrator."""
    return run([binary("kubectl"), "--kubeconfig", str(KUBECONFIG), *arguments], stdin=stdin)


def _etcd() -> list[str]:
    # With fsync: an outage of etcd must lose nothing that it acknowledged.
    return [
        binary("etcd"),
        f"--data-dir={STATE / 'etcd'}",
        "--name=concord",
        f"--listen-client-urls={ETCD_URL}",
        f"--advertise-client-urls={ETCD_URL}",
        f"--listen-peer-urls={ETCD_PEER_URL}",
        f"--initial-advertise-peer-urls={ETCD_PEER_URL}",
        f"--initial-cluster=concord={ETCD_PEER_URL}",
        "--log-level=warn",
    ]


def _api_server() -> list[str]:
    return [
        binary("kube-apiserver"),
        f"--bind-address={API_ADDRESS}",
        f"--advertise-address={API_ADDRESS}",
        "--secure-port=443",
        f"--etcd-servers={ETCD_URL}",
        f"--service-cluster-ip-range={SERVICE_RANGE}",
        f"--cert-dir={credentials.SERVING}",
        f"--token-auth-file={credentials.TOKENS}",
        "--authorization-mode=Node,RBAC",
        "--enable-admission-plugins=NodeRestriction",
        "--allow-privileged=true",
        f"--service-account-key-file={credentials.SERVICE_ACCOUNT_KEY}",
        f"--service-account-signing-key-file={credentials.SERVICE_ACCOUNT_KEY}",
        "--service-account-issuer=https://kubernetes.default.svc.cluster.local",
        # Node host names resolve nowhere.
        "--kubelet-preferred-address-types=InternalIP",
        f"--kubelet-client-certificate={credentials.KUBELET_CLIENT}",
        f"--kubelet-client-key={credentials.KUBELET_CLIENT_KEY}",
        "--profiling=false",
    ]


def _controllers() -> list[str]:
    return [
        binary("kube-controller-manager"),
        f"--kubeconfig={credentials.kubeconfig('controller-manager')}",
        f"--service-account-private-key-file={credentials.SERVICE_ACCOUNT_KEY}",
        f"--root-ca-file={credentials.API_CERTIFICATE}",
        "--use-service-account-credentials=true",
        # A single instance: without leader election an outage of etcd does not end it.
        "--leader-elect=false",
        "--bind-address=127.0.0.1",
        f"--secure-port={CONTROLLERS_PORT}",
        # A silent node is NotReady after 20 s instead of 50 s: tests wait less.
        "--node-monitor-period=2s",
        "--node-monitor-grace-period=20s",
        "--profiling=false",
    ]


def _scheduler() -> list[str]:
    return [
        binary("kube-scheduler"),
        f"--kubeconfig={credentials.kubeconfig('scheduler')}",
        "--leader-elect=false",
        "--bind-address=127.0.0.1",
        f"--secure-port={SCHEDULER_PORT}",
        "--profiling=false",
    ]


def _dns() -> list[str]:
    path = STATE / "Corefile"
    path.write_text(
        f"""cluster.local 10.in-addr.arpa {{
    bind {DNS_ADDRESS}
    errors
    kubernetes {{
        kubeconfig {credentials.kubeconfig("coredns")}
        pods insecure
        ttl 1
    }}
}}
""",
        encoding="utf-8",
    )
    return [binary("coredns"), f"-conf={path}"]


def _allow_dns() -> None:
    """Let cluster DNS read Services and endpoints."""
    role = """
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: "concord:coredns"}
rules:
- {apiGroups: [""], resources: [services, pods, namespaces], verbs: [list, watch]}
- {apiGroups: [discovery.k8s.io], resources: [endpointslices], verbs: [list, watch]}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: "concord:coredns"}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: "concord:coredns"}
subjects: [{apiGroup: rbac.authorization.k8s.io, kind: User, name: "concord:coredns"}]
"""
    kubectl("apply", "-f", "-", stdin=role)
