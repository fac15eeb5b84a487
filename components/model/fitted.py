"""Modules whose buffers get their sizes when they are fitted, or loaded."""

from typing import Any

import torch
from torch import nn


class Fitted(nn.Module):
    """Buffers that get their sizes when they are fitted, or loaded."""

    def _load_from_state_dict(
        self,
        state_dict: dict[str, Any],
        prefix: str,
        *rest: Any,  # noqa: ANN401
    ) -> None:
        """Make room first: how many seats and buckets there are is known then."""
        for name in dict(self.named_buffers(recurse=False)):
            if f"{prefix}{name}" in state_dict:
                setattr(self, name, torch.empty_like(state_dict[f"{prefix}{name}"]))
        super()._load_from_state_dict(state_dict, prefix, *rest)
