"""What to train, as JSON: inputs by URI and digest, so that it runs the same here and in a pod."""

from typing import Any, Literal

from pydantic import Field

from components.config.run import ModelConfig, Part, SslPart, TrainingConfig
from components.core.errors import UsageError
from components.core.refs import Ref, digest_json
from components.core.strict import Strict

Task = Literal["train", "judge", "baselines"]


class TrainSpec(Strict):
    """One training task.

    ``train`` fits the student and decides what answers. ``judge`` fits what held-out records judge
    alone, for a trial of a sweep. ``baselines`` fits the models that the kept one is compared with.
    """

    task: Task
    step: str | None = None
    """Digest of the key of the step that asks for this task; None outside a run."""
    features: Ref
    """Output of encode."""
    pseudo: Ref | None = None
    """Output of pseudo-label; without it there are visible labels alone, and no committee."""
    trained: Ref | None = None
    """Output of train, for ``baselines``: which views the student reads."""
    model: ModelConfig = ModelConfig()
    losses: dict[str, dict[str, Any]] = Field(min_length=1)
    ssl: SslPart | None = None
    balance: Part | None = None
    training: TrainingConfig = TrainingConfig()
    base: str | None = None
    """Folder that parts given by path are relative to."""
    parts: Ref | None = None
    """In a pod: the folder with those parts, in place of ``base``."""

    @property
    def inputs(self) -> dict[str, Ref]:
        """The outputs of earlier steps that were given, by field name."""
        given = {name: getattr(self, name) for name in type(self).model_fields if name != "parts"}
        return {name: ref for name, ref in given.items() if isinstance(ref, Ref)}

    def needed(self, name: str) -> Ref:
        """An input that the task cannot do without.

        Raises:
            UsageError: it was not given.
        """
        ref: Ref | None = getattr(self, name)
        if ref is None:
            raise UsageError(
                f"task {self.task!r} needs `{name}` (uri and digest); it was not given"
            )
        return ref

    def seal(self) -> str:
        """SHA-256 of all that a pod acts on, except for places.

        A pod receives it with its command and the spec from the exchange, which others may write.
        """
        content = self.model_copy(update={"step": None}).digest()
        return digest_json([content, self.step, self.parts.digest if self.parts else None])

    def digest(self) -> str:
        """SHA-256 of all that shapes the weights: contents, not places.

        A step's key covers more than a spec can know: the version of the step, the source of the
        chosen parts and the versions of the libraries. It counts alone where it is known.
        """
        if self.step is not None:
            return digest_json([self.task, self.step])
        tree = self.model_dump(mode="json", exclude={"base", "parts"})
        for place in ("device", "checkpoint_every"):
            del tree["training"][place]
        return digest_json(tree | {name: ref.digest for name, ref in self.inputs.items()})
