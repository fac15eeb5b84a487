"""What pods get besides their image: volumes, tolerations, and variables from Secrets."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from components.core.strict import Strict

Name = Annotated[str, Field(pattern=r"^[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?$")]
Quantity = Annotated[str, Field(pattern=r"^[1-9][0-9]*(\.[0-9]+)?(k|M|G|T|Ki|Mi|Gi|Ti)?$")]


class Volume(Strict):
    """A volume of the training pods; it has exactly one source."""

    name: Annotated[str, Field(pattern=r"^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$")]
    mount: Annotated[str, Field(pattern=r"^/.+")]
    claim: Name | None = None
    """A PersistentVolumeClaim of the namespace."""
    host_path: Annotated[str, Field(pattern=r"^/")] | None = None
    """A folder or file of the node; for single machines and tests."""
    empty_dir: Quantity | None = None
    """Scratch space of this size on the node's disk."""
    read_only: bool = False

    @model_validator(mode="after")
    def _one_source(self) -> "Volume":
        given = [n for n in ("claim", "host_path", "empty_dir") if getattr(self, n) is not None]
        if len(given) != 1:
            raise ValueError(
                f"volume {self.name!r}: got {' and '.join(given) or 'no source'}, "
                "wanted one: claim, host_path or empty_dir"
            )
        return self


class Toleration(Strict):
    """A toleration of the training pods."""

    key: str | None = None
    operator: Literal["Equal", "Exists"] = "Equal"
    value: str | None = None
    effect: Literal["NoSchedule", "PreferNoSchedule", "NoExecute"] | None = None

    @model_validator(mode="after")
    def _possible(self) -> "Toleration":
        if self.operator == "Exists" and self.value is not None:
            raise ValueError("operator Exists takes no value; drop one of the two")
        if self.key is None and self.operator == "Equal":
            raise ValueError("operator Equal needs a key; give it, or set `operator: Exists`")
        return self


class SecretEnv(Strict):
    """An environment variable from a Secret; its value never enters the configuration."""

    env: Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")]
    secret: Name
    key: Annotated[str, Field(pattern=r"^[-._a-zA-Z0-9]+$")]
