"""Who runs this process."""

import getpass
import os


def user() -> str:
    """The name of the user, or the number of one who has none, as in many containers."""
    try:
        return getpass.getuser()
    except (KeyError, OSError, ImportError):  # which one depends on Python's version
        return f"user {os.getuid()}"
