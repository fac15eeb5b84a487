"""Tools for proofs; not part of the wheel."""
