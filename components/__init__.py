"""Plain Python and PyTorch parts of Concord: no orchestrator, no service, no cluster."""
