"""A real Kubernetes cluster of two nodes on one Linux machine, without Docker and without pulling images."""
