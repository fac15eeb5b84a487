"""Servers of this machine are reached directly, whatever proxy the environment names."""

from collections.abc import MutableMapping
from importlib.util import find_spec
from urllib.parse import urlsplit

_NAMES = ("127.0.0.1", "localhost", "::1")
_LOWER, _UPPER = "no_proxy", "NO_PROXY"
_PROXIES = ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY")


def reach_directly(environment: MutableMapping[str, str]) -> dict[str, str]:
    """Add this machine to the hosts without a proxy; the user's own entries stay.

    Libraries differ in which of the two spellings they read, so both are set. A proxy that no
    library here can use is taken out: the client of the run's own server refuses to start with it.

    Returns:
        The variables that were taken out, each with the reason.

    >>> variables = {"NO_PROXY": "10.0.0.0/8"}
    >>> reach_directly(variables)
    {}
    >>> variables["no_proxy"]
    '10.0.0.0/8,127.0.0.1,localhost,::1'
    """
    unusable = unusable_proxies(environment)
    for name in unusable:
        del environment[name]
    lower, upper = environment.get(_LOWER), environment.get(_UPPER)
    environment[_LOWER] = _with_loopback(lower or upper or "")
    environment[_UPPER] = _with_loopback(upper or lower or "")
    return unusable


def unusable_proxies(environment: MutableMapping[str, str]) -> dict[str, str]:
    """The variables that name a proxy of a kind that cannot be used, each with the reason.

    >>> unusable_proxies({"http_proxy": "http://proxy:3128", "https_proxy": "htp://proxy"})
    {'https_proxy': "got a proxy of kind 'htp', wanted http, https, socks5 or socks5h"}
    """
    reasons = {name: _unusable(environment.get(name, "")) for name in _PROXIES}
    return {name: reason for name, reason in reasons.items() if reason}


def _unusable(proxy: str) -> str:
    kind = proxy.partition("://")[0].lower() if "://" in proxy else "http"
    if kind in ("socks5", "socks5h"):
        return "" if find_spec("socksio") else f"{kind} needs `pip install 'httpx[socks]'`"
    if kind not in ("http", "https"):
        return f"got a proxy of kind {kind!r}, wanted http, https, socks5 or socks5h"
    try:
        urlsplit(proxy if "://" in proxy else f"http://{proxy}").port  # noqa: B018 - it is checked
    except ValueError as error:
        return str(error)
    return ""


def _with_loopback(hosts: str) -> str:
    known = [host.strip() for host in hosts.split(",") if host.strip()]
    if "*" in known:
        return hosts
    return ",".join([*known, *(name for name in _NAMES if name not in known)])
