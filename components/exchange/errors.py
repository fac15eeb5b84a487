"""What can go wrong with an exchange."""

from components.core.errors import UserError


class ExchangeError(UserError):
    """The exchange cannot be reached, or does not hold what it should."""


class Incomplete(UserError):
    """A job whose result is not, or not yet, complete in the exchange."""
