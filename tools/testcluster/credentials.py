"""Who may talk to the API server: random tokens, the keys behind them, and kubeconfig files."""

import json
import secrets
from pathlib import Path

from tools.testcluster.layout import API_URL, KUBECONFIG, NODES, STATE
from tools.testcluster.shell import run, write

PKI = STATE / "pki"
TOKENS = PKI / "tokens.csv"
SERVICE_ACCOUNT_KEY = PKI / "service-account.key"
SERVING = PKI / "serving"
API_CERTIFICATE = (
    SERVING / "apiserver.crt"
)  # made by the API server itself, with its authority behind it
KUBELET_CLIENT = PKI / "kubelet-client.crt"
KUBELET_CLIENT_KEY = PKI / "kubelet-client.key"
DNS_USER = "concord:coredns"
# User and group of each token; Kubernetes grants rights to these names.
_USERS = {
    "admin": ("admin", "system:masters"),
    "controller-manager": ("system:kube-controller-manager", ""),
    "scheduler": ("system:kube-scheduler", ""),
    "coredns": (DNS_USER, ""),
    **{node.name: (f"system:node:{node.name}", "system:nodes") for node in NODES},
}


def make() -> None:
    """Make what does not exist yet; all of it lives and dies with the state folder."""
    PKI.mkdir(parents=True, exist_ok=True)
    PKI.chmod(0o700)
    if not SERVICE_ACCOUNT_KEY.exists():
        write(SERVICE_ACCOUNT_KEY, run(["openssl", "genrsa", "2048"]), 0o600)
    if not KUBELET_CLIENT.exists():
        # The API server presents this to kubelets, which trust no other authority.
        subject = "/O=system:masters/CN=kube-apiserver-kubelet-client"
        command = [
            "openssl",
            "req",
            "-x509",
            "-nodes",
            "-newkey",
            "rsa:2048",
            "-days",
            "365",
            "-subj",
            subject,
        ]
        command += ["-addext", "extendedKeyUsage=clientAuth", "-keyout", str(KUBELET_CLIENT_KEY)]
        write(KUBELET_CLIENT, run(command))
    if not TOKENS.exists():
        lines = [
            f'{secrets.token_hex(24)},{user},{key},"{group}"'
            if group
            else f"{secrets.token_hex(24)},{user},{key}"
            for key, (user, group) in _USERS.items()
        ]
        write(TOKENS, "\n".join(lines) + "\n", 0o600)


def write_kubeconfigs() -> None:
    """Write one kubeconfig per user, once the API server has made its certificate."""
    for key in _USERS:
        write(
            KUBECONFIG if key == "admin" else kubeconfig(key),
            json.dumps(_config(key), indent=2),
            0o600,
        )


def kubeconfig(user: str) -> Path:
    """The kubeconfig of one user of the cluster itself."""
    return PKI / f"{user}.kubeconfig"


def token(user: str) -> str:
    """The bearer token of one user."""
    rows = (line.split(",") for line in TOKENS.read_text(encoding="utf-8").splitlines())
    return next(row[0] for row in rows if row[2] == user)


def _config(user: str) -> dict[str, object]:
    name = "concord-testcluster"
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [
            {
                "name": name,
                "cluster": {"server": API_URL, "certificate-authority": str(API_CERTIFICATE)},
            }
        ],
        "users": [{"name": user, "user": {"token": token(user)}}],
        "contexts": [
            {"name": name, "context": {"cluster": name, "user": user, "namespace": "default"}}
        ],
        "current-context": name,
    }
