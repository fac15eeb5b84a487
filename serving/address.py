"""Addresses and ports of this machine, checked before a server is started."""

import ipaddress
import socket

from components.core.errors import UsageError


def resolve(host: str) -> str:
    """The IP address of a host name, which is what BentoML takes.

    Raises:
        UsageError: the name has none.
    """
    try:
        return str(ipaddress.ip_address(host))
    except ValueError:
        pass
    try:
        return str(socket.getaddrinfo(host, None, socket.AF_INET, socket.SOCK_STREAM)[0][4][0])
    except OSError as error:
        raise UsageError(
            f"host {host!r} has no address ({error}); give one of this machine, such as 127.0.0.1"
        ) from error


def check_port(host: str, port: int, option: str = "--port") -> None:
    """Check that a port can be listened on.

    Args:
        host: an address of this machine.
        port: its number.
        option: what sets it, for the message.

    Raises:
        UsageError: another process has it, or it may not be used.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise UsageError(
                f"port {port} on {host} cannot be used ({error.strerror}){_holder(port)};"
                f" stop what uses it, or choose another with `{option}`"
            ) from error


def _holder(port: int) -> str:
    """Name the process that listens on a port, where the system reveals it."""
    try:
        import psutil  # type: ignore[import-untyped]

        for found in psutil.net_connections("tcp"):
            if (
                found.laddr
                and found.laddr.port == port
                and found.status == psutil.CONN_LISTEN
                and found.pid
            ):
                return f": process {found.pid} ({psutil.Process(found.pid).name()}) listens there"
    except (ImportError, OSError, RuntimeError, psutil.Error):
        return ""
    return ""
