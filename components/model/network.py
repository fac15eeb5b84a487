"""The whole model: encoders, projectors, fusion and heads."""

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from components.config.run import ModelConfig
from components.core.errors import BadInput
from components.features.spec import ModalitySpec
from components.model.committee import CommitteeHead
from components.model.description import Mix, columns_of
from components.model.heads import linear_head
from components.model.present import (
    ModalityRows,
    chooses_rows,
    masked,
    mean_visible,
    of_present,
    shown,
)
from components.model.reference import Reference
from components.parts import returned
from components.parts.contracts import Target
from components.parts.network import Fused, Inputs, ModelOutput, ViewNetwork, Votes


class Model(nn.Module):
    """Answers for any non-empty subset of modalities; no statistics across records of a batch.

    Args:
        config: shape of the model.
        target: what is predicted.
        target_kind: name of the part that ``target`` comes from.
        specs: modality name to what builds it again.
        encoders: view name to its network.
        projectors: modality name to its map from features to ``(batch, dim)``.
        fusion: ``({name: (batch, dim)}, present) -> (batch, dim)``, or ``Fused``.
        base: folder that the user's own projector and fusion are relative to.
    """

    def __init__(
        self,
        *,
        config: ModelConfig,
        target: Target,
        target_kind: str,
        specs: Mapping[str, ModalitySpec],
        encoders: Mapping[str, ViewNetwork],
        projectors: Mapping[str, nn.Module],
        fusion: nn.Module,
        target_base: Path | None = None,
        base: Path | None = None,
    ) -> None:
        super().__init__()
        self.config, self.specs, self.base = config, dict(specs), base
        self.target, self.target_kind, self.target_base = target, target_kind, target_base
        self.names = sorted(specs)
        self.dim = self.fused_dim = config.dim
        self.views = {name: specs[name].dense(name) for name in self.names}
        self.encoders = nn.ModuleDict({v: encoders[v] for n in self.names for v in self.views[n]})
        self.projectors = nn.ModuleDict({name: projectors[name] for name in self.names})
        self.absent = nn.ParameterDict(
            {name: nn.Parameter(torch.zeros(config.dim)) for name in self.names}
        )
        self.fusion = fusion
        self.dropout = nn.Dropout(config.dropout)
        self.head = linear_head(config.dim, target.width)
        self.modality_heads = nn.ModuleDict(
            {name: linear_head(config.dim, target.width) for name in self.names}
        )
        lights = {v: encoders[v].light_dim for n in self.names for v in self.views[n]}
        self.sparse = {name: specs[name].sparse(name) for name in self.names}
        self.committee = CommitteeHead(
            {view: dim for view, dim in lights.items() if dim},
            [view for name in self.names for view in self.sparse[name]],
            len(self.names),
            target.width,
            sigmoid=target.activation == "sigmoid",
        )
        self.mix = Mix()
        self.reference: Reference | None = None

    @property
    def classes(self) -> list[str]:
        """Class names, in the order of the logits."""
        return self.target.classes

    @property
    def columns(self) -> dict[str, int]:
        """View name to the column of its modality in a present mask."""
        return columns_of(self.specs)

    def forward(
        self,
        inputs: Inputs,
        present: Tensor,
        hidden: Tensor | None = None,
        *,
        each: bool = True,
    ) -> ModelOutput:
        """Answer for a batch.

        Args:
            inputs: view name to cached inputs ``(batch, *shape)``; absent rows are never read. Of
                a sparse view, what the committee makes of it.
            present: ``(batch, modalities)`` bool, modalities sorted by name.
            hidden: ``(batch, modalities)`` bool: present, but hidden from the fusion (modality
                dropout).
            each: whether the committee answers from each modality alone too, which takes it as
                long for each as for all.

        Raises:
            BadInput: a record without any modality.
        """
        # Whoever sends records to a device has looked at them before.
        if chooses_rows(present) and not bool(present.any(dim=1).all()):
            wanted = f"at least one of {', '.join(self.names)}"
            raise BadInput("record", "none of its modalities", wanted)
        found = {
            name: self._one(name, inputs, present[:, column])
            for column, name in enumerate(self.names)
        }
        embeddings = {name: one.embedding for name, one in found.items()}
        modality_logits = {name: one.logits for name, one in found.items()}
        visible = present if hidden is None else present & ~hidden
        projected = {name: one.projected for name, one in found.items()}
        seen = shown(projected, visible, dict(self.absent))
        fused, logits, extras = self._fused(seen, embeddings, modality_logits, visible)
        if self.mix.committee:
            linear = {name: one.linear for name, one in found.items()}
            total = torch.stack(list(linear.values())).sum(dim=0)
            logits = self._mixed(logits, self.committee(total, present))
            modality_logits = self._each(modality_logits, linear, present) if each else {}
        return ModelOutput(
            logits=logits,
            modality_logits=modality_logits,
            embeddings=embeddings,
            fused=F.normalize(fused.float(), dim=1),
            extras=extras,
        )

    @property
    def frozen_dims(self) -> dict[str, int]:
        """Modality name to the numbers that its frozen encoders give; 0 where all are trained."""
        return {
            name: sum(cast(ViewNetwork, self.encoders[view]).light_dim for view in self.views[name])
            for name in self.names
        }

    def frozen(self, inputs: Inputs, present: Tensor) -> dict[str, Tensor]:
        """Modality name to what its frozen encoders give ``(batch, dims)``; zeros where absent.

        Args:
            inputs: view name to cached inputs ``(batch, *shape)``; absent rows are never read.
            present: ``(batch, modalities)`` bool, modalities sorted by name.
        """
        found = {}
        for column, name in enumerate(self.names):
            has = present[:, column]
            rows = [
                cast(ViewNetwork, self.encoders[view]).light(masked(inputs[view], has)).float()
                for view in self.views[name]
            ]
            found[name] = masked(torch.cat(rows, dim=1), has)
        return found

    def tempered(
        self, logits: NDArray[np.floating], temperature: NDArray[np.floating] | float
    ) -> NDArray[np.float64]:
        """Logits ``(n, classes)`` at a temperature, which leaves alone what classes are expected.

        Fewer modalities give less evidence, but how common a class is stays the same.
        """
        shift = self.mix.committee * self.committee.shift.double().numpy()
        found: NDArray[np.float64] = (logits - shift) / temperature + shift
        return found

    def augment(self, inputs: Inputs) -> Inputs:
        """Vary every training input ``(batch, *shape)``, by view name."""
        return {
            name: cast(ViewNetwork, self.encoders[name]).augment(values)
            for name, values in inputs.items()
        }

    def parts(self, inputs: Inputs, present: Tensor) -> dict[str, Tensor]:
        """What the fusion reads of records: modality name to ``(batch, dim)``, zeros if absent."""
        return {
            name: self._one(name, inputs, present[:, column]).projected
            for column, name in enumerate(self.names)
        }

    def _fused(
        self,
        seen: dict[str, Tensor],
        embeddings: Mapping[str, Tensor],
        modality_logits: Mapping[str, Tensor],
        visible: Tensor,
    ) -> tuple[Tensor, Tensor, dict[str, Tensor]]:
        """Vector ``(batch, dim)``, logits ``(batch, classes)`` and extras of the fusion."""
        if not self.target.width:
            # Without classes nothing teaches the fusion: the mean of what is aligned is the vector.
            fused = mean_visible(embeddings, visible)
            return fused, self.head(fused), {}
        found = self.fusion(seen, visible)
        one = found if isinstance(found, Fused) else Fused(vector=found, extras={})
        returned.vectors("model.fusion", one.vector, self.dim)
        if not isinstance(self.fusion, Votes):
            return one.vector, self.head(one.vector), one.extras
        sigmoid = self.target.activation == "sigmoid"
        voted = self.fusion.vote(modality_logits, visible, sigmoid=sigmoid)
        return one.vector, voted.vector, one.extras | voted.extras

    def _each(
        self,
        modality_logits: Mapping[str, Tensor],
        linear: Mapping[str, Tensor],
        present: Tensor,
    ) -> dict[str, Tensor]:
        """The logits of each modality with the committee's share of the mix."""
        alone = torch.eye(len(self.names), dtype=torch.bool, device=present.device)
        return {
            name: self._mixed(modality_logits[name], self.committee(linear[name], present & only))
            for name, only in zip(self.names, alone, strict=True)
        }

    def _mixed(self, network: Tensor, committee: Tensor) -> Tensor:
        return self.mix.network * network.float() + self.mix.committee * committee

    def _linear(self, name: str, read: Inputs) -> Tensor:
        """What the committee reads of one modality: ``(batch, seats * width + dims)``."""
        parts = [
            self.committee.views[view](cast(ViewNetwork, self.encoders[view]).light(read[view]))
            for view in self.views[name]
            if view in self.committee.views
        ]
        parts += [self.committee.views[view](read[view]) for view in self.sparse[name]]
        return sum(parts, start=self.committee.constant.new_zeros(1, self.committee.reads))

    def _one(self, name: str, inputs: Inputs, present: Tensor) -> ModalityRows:
        """What comes of one modality; absent rows are not read, and give zeros."""
        views = [*self.views[name], *(self.sparse[name] if self.mix.committee else [])]
        own = {view: inputs[view] for view in views}
        found = of_present(partial(self._read, name), own, present)
        return self._nothing(name, len(present)) if found is None else found

    def _nothing(self, name: str, n: int) -> ModalityRows:
        """Zeros, of ``n`` records that all lack a modality."""
        zeros = self.absent[name].new_zeros(n, self.dim)
        logits = self.head.weight.new_zeros(n, self.target.width)
        return ModalityRows(zeros, zeros.float(), logits, logits.new_zeros(n, self.committee.reads))

    def _read(self, name: str, own: Inputs) -> ModalityRows:
        """What comes of one modality of records that all have it."""
        read = [self.encoders[view](own[view]) for view in self.views[name]]
        part = self.projectors[name](read[0] if len(read) == 1 else torch.cat(read, dim=1))
        logits = self.modality_heads[name](self.dropout(part))
        mixed = bool(self.mix.committee)
        linear = self._linear(name, own).expand(logits.shape[0], -1) if mixed else logits
        return ModalityRows(part, F.normalize(part.float(), dim=1), logits, linear)
