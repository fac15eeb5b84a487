"""What passes between the network and its parts: the contracts that need torch."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

import torch
from torch import Tensor, nn
from torch.nn import functional as F

Inputs = dict[str, Tensor]
"""View name to ``(batch, *shape)``; absent rows are zeros and are never read."""


@dataclass(frozen=True, kw_only=True)
class Disturbance:
    """How a view of training records is disturbed, so that answers about it can be compared.

    Attributes:
        noise: deviation of the noise that is added to stored vectors, in units of theirs.
        drop: share of the entries that is taken away; of a picture a square of this size.
        mix: share of the entries that comes from another record which has the modality.
        hide: probability that a whole modality is hidden from the fusion; one always stays.
    """

    noise: float = 0.0
    drop: float = 0.0
    mix: float = 0.0
    hide: float = 0.0

    @property
    def varies(self) -> bool:
        """Whether inputs are disturbed at all."""
        return bool(self.noise or self.drop or self.mix)


class ViewNetwork(nn.Module):
    """Maps the inputs of one view ``(batch, *shape)`` to features ``(batch, out_dim)``."""

    out_dim: int
    light_dim: int = 0
    """Length of what ``light`` gives; 0 where all of it is learned."""

    def light(self, inputs: Tensor) -> Tensor:
        """What light heads read of inputs ``(batch, *shape)``: ``(batch, light_dim)``.

        It changes no more once the statistics are fitted; nothing by default.
        """
        return inputs.new_zeros(len(inputs), 0)

    def fit_statistics(self, inputs: Tensor) -> None:
        """Set buffers (means, scales) from training inputs ``(n, *shape)``; none by default."""

    def augment(self, inputs: Tensor) -> Tensor:
        """Vary training inputs ``(batch, *shape)``; the identity by default.

        Randomness comes from torch's global generator.
        """
        return inputs

    def disturb(self, inputs: Tensor, present: Tensor, how: Disturbance) -> Tensor:
        """Disturb inputs ``(batch, *shape)``; by default as ``augment`` does.

        Rows where ``present (batch,)`` is false are never read. Randomness comes from torch's
        global generator; nothing is drawn for what is 0.
        """
        del present
        return self.augment(inputs) if how.varies else inputs


class CentredNetwork(ViewNetwork):
    """Centres the vectors of a frozen encoder and gives their numbers unit deviation on average."""

    mean: Tensor
    scale: Tensor

    def __init__(self, dim: int, dropout: float = 0.0) -> None:
        super().__init__()
        self.out_dim = self.light_dim = dim
        self._dropout = dropout
        self.register_buffer("mean", torch.zeros(dim))
        self.register_buffer("scale", torch.ones(()))

    def fit_statistics(self, inputs: Tensor) -> None:
        """Take each number's mean, and one deviation for all, from ``inputs (n, dim)``."""
        if len(inputs):
            self.mean.copy_(inputs.mean(0))
            self.scale.copy_((inputs - self.mean).square().mean().sqrt().clamp_min(1e-6))

    def light(self, inputs: Tensor) -> Tensor:
        """``(batch, dim)`` to ``(batch, dim)``."""
        return (inputs - self.mean) / self.scale

    def disturb(self, inputs: Tensor, present: Tensor, how: Disturbance) -> Tensor:
        """Mix entries in from other records, add noise, and put the mean where an entry drops."""
        found = mixed(inputs, present, how.mix)
        if how.noise:
            found = found + how.noise * self.scale * torch.randn_like(found)
        if how.drop:
            found = torch.where(torch.rand_like(found) < how.drop, self.mean, found)
        return found

    def forward(self, inputs: Tensor) -> Tensor:
        """``(batch, dim)`` to ``(batch, dim)``."""
        return F.dropout(self.light(inputs), self._dropout, self.training)


def mixed(inputs: Tensor, present: Tensor, share: float) -> Tensor:
    """Inputs ``(batch, dim)`` with this share of entries from one other record for each.

    The other one is drawn evenly; if it lacks the modality, nothing is mixed in.
    """
    if not share:
        return inputs
    other = torch.randint(len(inputs), (len(inputs),), device=inputs.device)
    taken = torch.rand(inputs.shape, device=inputs.device) < share
    return torch.where(taken & present[other, None], inputs[other], inputs)


@dataclass(frozen=True, kw_only=True)
class Likeness:
    """Which records of a batch are alike, so that no contrast may tell them apart.

    Attributes:
        groups: ``(batch,)`` number of each record's group.
        contents: ``(batch, modalities)``, modalities sorted by name: in a column, records whose
            raw content is equal have equal numbers; numbers of absent ones have no meaning.
    """

    groups: Tensor
    contents: Tensor

    def among(self, *columns: int) -> Tensor:
        """Pairs ``(batch, batch)`` of one group, or of equal content in one of these modalities."""
        codes = [self.groups, *(self.contents[:, column] for column in columns)]
        alike = [code[:, None] == code for code in codes]
        return torch.stack(alike).any(dim=0)


@dataclass(frozen=True, kw_only=True)
class ModelOutput:
    """What the network gives for a batch.

    Attributes:
        logits: ``(batch, classes)`` of the fused vector.
        modality_logits: modality name to ``(batch, classes)``; rows where it is absent have no
            meaning. Empty where a committee was not asked about each modality.
        embeddings: modality name to unit vectors ``(batch, dim)``; rows where it is absent are
            zero.
        fused: unit vectors ``(batch, dim)``.
        extras: what the fusion tells beside its vector: name to ``(batch, …)``, see ``Fused``.
    """

    logits: Tensor
    modality_logits: dict[str, Tensor]
    embeddings: dict[str, Tensor]
    fused: Tensor
    extras: dict[str, Tensor] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Fused:
    """What a fusion may give in place of its vector alone.

    Attributes:
        vector: ``(batch, dim)``.
        extras: name to ``(batch, columns)``. Losses and reports read them; an exported graph and
            answers do not have them. ``weights`` is what each modality weighs.
    """

    vector: Tensor
    extras: dict[str, Tensor]


@runtime_checkable
class FitsParts(Protocol):
    """A fusion that learns something of the training records beside what its gradient teaches."""

    def fit_parts(self, parts: Mapping[str, Tensor], present: Tensor) -> None:
        """Set buffers from training records; called before each epoch, as projectors move.

        Args:
            parts: modality name to projected vectors ``(n, dim)``; absent rows are zeros.
            present: ``(n, modalities)``, modalities sorted by name.
        """
        ...


@runtime_checkable
class Votes(Protocol):
    """A fusion that joins the modalities' own answers: its logits stand for those of the head."""

    def vote(self, logits: Mapping[str, Tensor], present: Tensor, *, sigmoid: bool) -> Fused:
        """Joined logits ``(batch, classes)``, and extras.

        Args:
            logits: modality name to its own ``(batch, classes)``.
            present: ``(batch, modalities)``, modalities sorted by name.
            sigmoid: each class is a question of its own, else exactly one is right.
        """
        ...

    def weigh(self, temperature: Sequence[float], weight: Sequence[float]) -> None:
        """Set temperature and weight of each modality, sorted by name."""
        ...
