"""Set-up for all tests."""

import os

# Waiting threads must not spin: small tensors on busy cores are then many times faster. Torch
# reads the variable when it is imported.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

# CI may itself run in a pod; a test that needs the variable sets it.
os.environ.pop("KUBERNETES_SERVICE_HOST", None)
