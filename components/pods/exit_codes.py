"""Exit codes of a pod: the contract between what runs in it and what reads its end.

A Job's podFailurePolicy is built from these sets. Source: ``sysexits.h`` of BSD, where it fits.
"""

DONE = 0
USAGE = 64
"""The command line or the spec is wrong."""
DATA = 65
"""A mistake the user can correct: inputs, options, nothing to learn from."""
PREFLIGHT = 69
"""The pod is not what was requested: missing GPUs, other code."""
BUG = 70
"""Any other Python exception, those of a user's own part included."""
IO = 74
"""The exchange or the peers were not reached within the waits; counts as a retry."""
INTERRUPTED = 75
"""Stopped by a signal with a checkpoint written, or lost a peer; does not count as a retry."""

FAIL_AT_ONCE = (USAGE, DATA, PREFLIGHT, BUG)
"""Another try would end the same way."""
NOT_COUNTED = (INTERRUPTED,)
"""Another try resumes where this attempt stopped."""
