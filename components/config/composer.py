"""The block ``composer`` of a run's YAML: how a picture and words become one query."""

from typing import Annotated

from pydantic import Field, model_validator

from components.core.strict import Strict


class ComposerConfig(Strict):
    """A composer is learned, and kept where it is better than the plain sum."""

    reference: Annotated[str, Field(min_length=1)]
    """The modality of the example that is to be changed, and of what is searched."""
    text: Annotated[str, Field(min_length=1)]
    """The modality of the example that names the change."""
    triplets: Annotated[int, Field(ge=100, le=1_000_000)] = 20_000
    """At most this many are drawn to learn from."""
    hidden: Annotated[int, Field(ge=1, le=4096)] = 256
    """Width of the hidden layer."""
    epochs: Annotated[int, Field(ge=1, le=1000)] = 20
    """Passes over the triplets."""

    @model_validator(mode="after")
    def _two_modalities(self) -> "ComposerConfig":
        if self.reference == self.text:
            raise ValueError(
                f"got {self.reference!r} for both `reference` and `text`, wanted two modalities"
            )
        return self
