"""How often a token, and an address with wrong tokens, may ask.

Each process counts for itself: with several replicas a token may ask that many times more often.
"""

import ipaddress
import math
import time
from functools import cached_property
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # importing it takes a fifth of a second
    from limits.strategies import SlidingWindowCounterRateLimiter

_FAILURES = 30
"""Wrong tokens of one address in a minute. A token cannot be guessed; this bounds the noise."""
_MOST_SECONDS = 60


class Rates:
    """Counts requests of the last minute."""

    def load(self) -> None:
        """Import what counts, so that no request waits for it."""
        self._counter  # noqa: B018

    def asked(self, token: str, per_minute: int) -> int:
        """Count a request of a token; returns the seconds to wait if it is one too many, else 0."""
        return self._hit(per_minute, "token", token)

    def failed(self, address: str) -> int:
        """Count a wrong token of an address, as `asked` does.

        A machine has any number of addresses of IPv6, all in one network of 64 bits.
        """
        try:
            found = ipaddress.ip_address(address)
        except ValueError:
            return self._hit(_FAILURES, "address", address)
        whole = 64 if found.version == 6 else 32
        network = ipaddress.ip_network((int(found), whole), strict=False)
        return self._hit(_FAILURES, "address", str(network))

    def _hit(self, per_minute: int, kind: str, who: str) -> int:
        from limits import RateLimitItemPerMinute

        item = RateLimitItemPerMinute(per_minute)
        if self._counter.hit(item, kind, who):
            return 0
        left = self._counter.get_window_stats(item, kind, who).reset_time - time.time()
        return min(max(math.ceil(left), 1), _MOST_SECONDS)

    @cached_property
    def _counter(self) -> "SlidingWindowCounterRateLimiter":
        from limits.storage import MemoryStorage
        from limits.strategies import SlidingWindowCounterRateLimiter

        return SlidingWindowCounterRateLimiter(MemoryStorage())
