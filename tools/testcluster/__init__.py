"""A real two-node Kubernetes cluster on one Linux machine, without Docker or image pulls."""
