"""The network of the encoder ``multiplexed``, apart because vectors are made without torch."""

import torch
from torch import Tensor, nn

from components.parts.encoders import fields
from components.parts.encoders._fields import FieldsNetwork
from components.parts.encoders.multiplexed import Config
from components.parts.network import ViewNetwork


class MultiplexedNetwork(ViewNetwork):
    """Looks members up in the shared table; numbers and the hidden layer are those of ``fields``.

    Light heads read which rows of the table a record names, which no training changes.

    Args:
        config: see ``Config``.
        numbers: number columns.
        slots: most members of each other column.
    """

    def __init__(self, config: Config, numbers: int, slots: list[int]) -> None:
        super().__init__()
        self._numbers, self._slots, self._dim = numbers, slots, config.dim
        self.table = nn.Embedding(config.rows, config.dim)
        nn.init.normal_(self.table.weight, std=config.dim**-0.5)
        like = fields.Config(width=config.width, dropout=config.dropout, clip=config.clip)
        self.fields = FieldsNetwork(like, numbers, numbers + 2 * config.dim * len(slots))
        self.out_dim, self.light_dim = config.width, 2 * numbers + config.rows

    def fit_statistics(self, inputs: Tensor) -> None:
        """Take each number's quantiles from ``inputs (n, size)``, without missing ones."""
        self.fields.fit_statistics(inputs)

    def light(self, inputs: Tensor) -> Tensor:
        """Scores, marks for missing numbers and named rows ``(batch, 2 * numbers + rows)``."""
        numbers, places = inputs[:, : self._numbers], inputs[:, self._numbers :].long()
        named = inputs.new_zeros(len(inputs), self.table.num_embeddings + 1)
        named = named.scatter(1, places + 1, 1.0)[:, 1:]  # what is not used comes first
        return self.fields.light(torch.cat([numbers, named], dim=1))

    def forward(self, inputs: Tensor) -> Tensor:
        """``(batch, size)`` to ``(batch, width)``."""
        numbers, places = inputs[:, : self._numbers], inputs[:, self._numbers :].long()
        rows = self.table(places.clamp_min(0)) * (places >= 0)[:, :, None]
        members = rows.reshape(-1, places.shape[1] // 2, 2 * self._dim)
        columns = [part.sum(dim=1) for part in members.split(self._slots, dim=1)]
        encoded: Tensor = self.fields(torch.cat([numbers, *columns], dim=1))
        return encoded
