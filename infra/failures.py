"""How a Job can fail: one class each, with what happened, where, and what to do next."""

from collections.abc import Sequence

from components.core.errors import UserError


class JobFailed(UserError):
    """A Job that gave no result.

    Args:
        what: got and wanted, in one or two sentences.
        where: Job, pod and node.
        remedy: what to do next.
        log: the last lines that the pod wrote.
    """

    def __init__(self, what: str, *, where: str, remedy: str, log: Sequence[str] = ()) -> None:
        tail = "\n".join(f"  | {line}" for line in log)
        super().__init__(
            f"{what} ({where}); {remedy}" + (f"\nlast lines of the pod:\n{tail}" if tail else "")
        )
        self.what, self.where, self.remedy, self.log = what, where, remedy, tuple(log)


class UserBug(JobFailed):
    """The program raised an exception; another try would end the same way."""


class UserMistake(JobFailed):
    """The program refused its input or options."""


class PreflightFailed(JobFailed):
    """The pod is not what was requested: missing GPUs, other code."""


class OutOfMemory(JobFailed):
    """The pod took more memory than its limit."""


class TimeBudgetExceeded(JobFailed):
    """Kubernetes ended the Job after its time budget."""


class RetriesExhausted(JobFailed):
    """More pods failed than the retry budget allows."""


class Unschedulable(JobFailed):
    """No node can, or for too long could, take the pod."""


class ImagePullFailed(JobFailed):
    """The image cannot be pulled."""


class QuotaExceeded(JobFailed):
    """The namespace's quota does not allow the pod or the Job."""


class Refused(JobFailed):
    """The API server, or an admission rule, does not accept the Job or its pods."""


class CannotStart(JobFailed):
    """The pod was placed on a node and did not start there."""


class JobDeleted(JobFailed):
    """The Job was deleted while it was followed."""
