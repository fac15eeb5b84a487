"""Time of ``concord --help`` over an empty Python: ``python -m benchmarks.cli_help``."""

import sys

from benchmarks import _timing


def main() -> None:
    """Time both in turn."""
    help_, python, ratio = _timing.paired(
        [sys.executable, "-m", "flows.cli", "--help"], [sys.executable, "-c", ""]
    )
    _timing.report(
        "cli_help",
        seconds=help_,
        empty_python_seconds=python,
        ratio=ratio,
        target="at most 0.6 s",
        met=help_ <= 0.6,
    )


if __name__ == "__main__":
    main()
