"""The whole model: encoders, projectors, fusion and heads."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import cast

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.nn import functional as F

from components.config.run import ModelConfig
from components.core.errors import BadInput
from components.core.files import write_json
from components.features.spec import ModalitySpec, build_target, carry_own
from components.model.committee import CommitteeHead
from components.model.description import (
    DESCRIPTION,
    WEIGHTS,
    Mix,
    columns_of,
    described,
    no_model,
    read_description,
)
from components.model.formats import todays_weights
from components.model.listing import check_code
from components.model.reference import Reference
from components.parts import loading as parts
from components.parts.contracts import Target, is_sparse
from components.parts.network import Fused, Inputs, ModelOutput, ViewNetwork, Votes
from components.parts.own import OWN


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
        self.head = _head(config.dim, target.width)
        self.modality_heads = nn.ModuleDict(
            {name: _head(config.dim, target.width) for name in self.names}
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

    def forward(self, inputs: Inputs, present: Tensor, hidden: Tensor | None = None) -> ModelOutput:
        """Answer for a batch.

        Args:
            inputs: view name to cached inputs ``(batch, *shape)``; absent rows are never read. Of
                a sparse view, what the committee makes of it.
            present: ``(batch, modalities)`` bool, modalities sorted by name.
            hidden: ``(batch, modalities)`` bool: present, but hidden from the fusion (modality
                dropout).

        Raises:
            BadInput: a record without any modality.
        """
        # Whoever sends records to a device has looked at them before.
        if _chooses_rows(present) and not bool(present.any(dim=1).all()):
            raise BadInput(
                "record", "none of its modalities", f"at least one of {', '.join(self.names)}"
            )
        projected, embeddings, modality_logits, linear = {}, {}, {}, {}
        for column, name in enumerate(self.names):
            found = self._one(name, inputs, present[:, column])
            projected[name], embeddings[name], modality_logits[name], linear[name] = found
        visible = present if hidden is None else present & ~hidden
        seen = {
            name: torch.where(
                visible[:, column, None],
                projected[name],
                self.absent[name].to(projected[name].dtype),
            )
            for column, name in enumerate(self.names)
        }
        fused, logits, extras = self._fused(seen, embeddings, modality_logits, visible)
        if self.mix.committee:
            total = torch.stack(list(linear.values())).sum(dim=0)
            logits = self._mixed(logits, self.committee(total, present))
            alone = torch.eye(len(self.names), dtype=torch.bool, device=present.device)
            modality_logits = {
                name: self._mixed(own, self.committee(linear[name], present & only))
                for (name, own), only in zip(modality_logits.items(), alone, strict=True)
            }
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

        Fewer modalities say less, but how common a class is stays as it is.
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
            name: self._one(name, inputs, present[:, column])[0]
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
            fused = _mean(embeddings, visible)
            return fused, self.head(fused), {}
        found = self.fusion(seen, visible)
        one = found if isinstance(found, Fused) else Fused(vector=found, extras={})
        if not isinstance(self.fusion, Votes):
            return one.vector, self.head(one.vector), one.extras
        sigmoid = self.target.activation == "sigmoid"
        voted = self.fusion.vote(modality_logits, visible, sigmoid=sigmoid)
        return one.vector, voted.vector, one.extras | voted.extras

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

    def _one(self, name: str, inputs: Inputs, present: Tensor) -> tuple[Tensor, ...]:
        """Projection ``(batch, dim)``, unit embedding, own logits and the committee's part.

        Absent rows are not read, and give zeros.
        """
        views = [*self.views[name], *(self.sparse[name] if self.mix.committee else [])]
        if not _chooses_rows(present):
            own = {v: masked(inputs[v], present) for v in views}
            return tuple(masked(found, present) for found in self._read(name, own))
        rows = present.nonzero().squeeze(1)
        if not len(rows):
            zeros = self.absent[name].new_zeros(len(present), self.dim)
            none = self.head.weight.new_zeros(len(present), self.target.width)
            seats = none.new_zeros(len(present), self.committee.reads)
            return zeros, zeros.float(), none, seats
        if len(rows) == len(present):
            return self._read(name, {v: inputs[v] for v in views})
        chosen = self._read(name, {v: inputs[v][rows] for v in views})
        return tuple(x.new_zeros(len(present), x.shape[1]).index_copy(0, rows, x) for x in chosen)

    def _read(self, name: str, own: Inputs) -> tuple[Tensor, ...]:
        """The same of rows that all have it."""
        read = [self.encoders[view](own[view]) for view in self.views[name]]
        part = self.projectors[name](read[0] if len(read) == 1 else torch.cat(read, dim=1))
        logits = self.modality_heads[name](self.dropout(part))
        return (
            part,
            F.normalize(part.float(), dim=1),
            logits,
            self._linear(name, own).expand(logits.shape[0], -1) if self.mix.committee else logits,
        )


def _chooses_rows(present: Tensor) -> bool:
    """Whether only present rows are computed.

    A device would have to be waited for to know them, and an exported graph has no such choice.
    """
    return present.device.type == "cpu" and not torch.onnx.is_in_onnx_export()


def masked(rows: Tensor, present: Tensor) -> Tensor:
    """Rows ``(batch, …)``, zeros where they are absent, whatever stands there."""
    return torch.where(present.view(-1, *[1] * (rows.ndim - 1)), rows, rows.new_zeros(()))


def _head(dim: int, width: int) -> nn.Linear:
    """A linear map to logits; torch warns where it shall initialise none."""
    if width:
        return nn.Linear(dim, width)
    with torch.device("meta"):
        empty = nn.Linear(dim, 1)
    empty.out_features = 0
    empty.weight, empty.bias = nn.Parameter(torch.empty(0, dim)), nn.Parameter(torch.empty(0))
    return empty


def _mean(embeddings: Mapping[str, Tensor], visible: Tensor) -> Tensor:
    """Mean ``(batch, dim)`` of the visible unit vectors, modalities sorted by name."""
    vectors = torch.stack([embeddings[name] for name in sorted(embeddings)], dim=1)
    shown = visible[:, :, None].to(vectors.dtype)
    return (vectors * shown).sum(dim=1) / shown.sum(dim=1).clamp_min(1)


def build(
    config: ModelConfig,
    *,
    classes: Sequence[str],
    specs: Mapping[str, ModalitySpec],
    target: str = "single",
    target_base: Path | None = None,
    base: Path | None = None,
) -> Model:
    """A new model with fresh weights drawn from torch's global generator.

    Args:
        config: shape of the model.
        classes: class names.
        specs: modality name to its description, from a features folder or a model folder.
        target: what is predicted.
        target_base: folder that a user's own target is relative to.
        base: folder that the user's own projector and fusion are relative to.
    """
    names = tuple(sorted(specs))
    name = config.fusion.name
    options = parts.configure("fusion", name, config.fusion.options, base)
    fusion = parts.load("fusion", name, base).build(
        options, names=names, dim=config.dim, dropout=config.dropout
    )
    encoders = {
        view: encoder.network()
        for n in names
        for view, encoder in specs[n].build(n).encoders.items()
        if not is_sparse(encoder)
    }
    return Model(
        config=config,
        target=build_target(target, classes, target_base),
        target_kind=target,
        target_base=target_base,
        specs=specs,
        encoders=encoders,
        projectors=_projectors(config, specs, encoders, base),
        fusion=fusion,
        base=base,
    )


def _projectors(
    config: ModelConfig,
    specs: Mapping[str, ModalitySpec],
    encoders: Mapping[str, ViewNetwork],
    base: Path | None,
) -> dict[str, nn.Module]:
    """A new projector for each modality, in the order of their names."""
    name = config.projector.name
    options = parts.configure("projectors", name, config.projector.options, base)
    part = parts.load("projectors", name, base)
    widths = {n: sum(encoders[view].out_dim for view in specs[n].dense(n)) for n in sorted(specs)}
    return {n: part.build(options, width=widths[n], dim=config.dim) for n in sorted(specs)}


def save(model: Model, folder: Path) -> None:
    """Write ``weights.safetensors``, ``model.json``, records to compare with, and own parts."""
    folder.mkdir(parents=True, exist_ok=True)
    chosen = [("projectors", model.config.projector.name), ("fusion", model.config.fusion.name)]
    parts.carry(chosen, model.base, folder / OWN)
    parts.carry([("targets", model.target_kind)], model.target_base, folder / OWN)
    carry_own(model.specs.values(), folder)
    if model.reference is not None:
        model.reference.save(folder)
    save_file(
        {k: v.detach().contiguous().cpu() for k, v in model.state_dict().items()}, folder / WEIGHTS
    )
    description = {
        **described(model.config),
        "mix": asdict(model.mix),
        "target": model.target_kind,
        "classes": model.classes,
        "modalities": {name: model.specs[name].to_json() for name in model.names},
    }
    write_json(folder / DESCRIPTION, description)


def load(folder: Path) -> Model:
    """Read a model folder, in evaluation mode on the CPU.

    Raises:
        UserError: not a model folder, or one of a newer format; its modalities now decode
            differently; or code in it is a link or differs from a package's list.
    """
    check_code(folder)
    told = read_description(folder)
    try:
        weights = load_file(folder / WEIGHTS)
    except OSError as error:
        raise no_model(folder, error) from error
    with torch.random.fork_rng(devices=[]):
        model = build(
            told.config,
            classes=told.classes,
            specs=told.specs,
            target=told.target,
            target_base=told.base,
            base=told.base,
        )
    weights = todays_weights(weights, told.made, told.specs, model.state_dict())
    model.load_state_dict(weights)
    model.mix = told.mix
    model.reference = Reference.load(folder)
    return model.eval()
