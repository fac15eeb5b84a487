"""Exit codes of a training pod: the contract between what runs in a pod and what reads its end.

Source: ``sysexits.h`` of BSD, whose numbers are used where they fit; a Job's podFailurePolicy is built from these sets.
"""

DONE = 0
USAGE = 64
"""The command line or the spec is wrong."""
DATA = 65
"""A mistake the user can mend: inputs, options, nothing to learn from."""
PREFLIGHT = 69
"""The pod is not what was asked for: GPUs that are not there, other code."""
BUG = 70
"""Any other Python exception, also of a user's own part."""
IO = 74
"""The exchange or the peers could not be reached within the bounded waits; counts against the retry budget."""
INTERRUPTED = 75
"""Stopped by a signal with a checkpoint written, or a peer was lost; does not count."""

FAIL_AT_ONCE = (USAGE, DATA, PREFLIGHT, BUG)
"""Trying again gives the same end."""
NOT_COUNTED = (INTERRUPTED,)
"""Trying again goes on where this attempt stopped."""
