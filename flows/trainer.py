"""Where training runs: here, in this process (a cluster is the other place)."""

from pathlib import Path

from components.refs import Ref
from flows.steps import Job
