"""What holds for every test."""

import os

# Threads that wait must not spin: read when torch is imported; small tensors on busy cores are many times faster.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

# CI may itself be a pod; a test that means one says so.
os.environ.pop("KUBERNETES_SERVICE_HOST", None)
