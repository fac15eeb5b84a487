"""Where state lives: one folder, found from any working directory."""

import os
from dataclasses import dataclass
from pathlib import Path

from components.errors import UserError

CHECKOUT = Path(__file__).resolve().parents[1]


@dataclass(frozen=True, kw_only=True)
class Home:
    """The folders under ``CONCORD_HOME``."""

    root: Path

    @property
    def steps(self) -> Path:
        """Outputs of steps by name and key."""
        return self.root / "steps"

    @property
    def cache(self) -> Path:
        """The feature cache and the memo of file digests."""
        return self.root / "cache"

    @property
    def checkpoints(self) -> Path:
        """Training that has not finished."""
        return self.root / "checkpoints"

    @property
    def runs(self) -> Path:
        """One folder per run."""
        return self.root / "runs"

    @property
    def ledger(self) -> Path:
        """The append-only ledger."""
        return self.root / "ledger.sqlite"

    @property
    def engines(self) -> Path:
        """Logs of the servers that a run starts."""
        return self.root / "engines"


def find(root: Path | None = None) -> Home:
    """The state folder: ``CONCORD_HOME``, else ``.concord`` in the checkout, else ``.concord`` in the user's home."""
    if root is None:
        default = CHECKOUT if (CHECKOUT / "pyproject.toml").is_file() else Path.home()
        root = Path(os.environ.get("CONCORD_HOME") or default / ".concord")
    return Home(root=root.expanduser().absolute())


def writable(home: Home) -> Home:
    """Make the state folder if needed and prove that it can be written.

    Raises:
        UserError: it cannot be made or written.
    """
    try:
        home.root.mkdir(parents=True, exist_ok=True)
        probe = home.root / f".probe.{os.getpid()}"
        probe.write_bytes(b"concord")
        probe.unlink()
    except OSError as error:
        raise UserError(
            f"state folder {home.root} cannot be written ({error.strerror}); "
            "free or mount it writable, or set CONCORD_HOME to a folder of yours"
        ) from error
    return home
