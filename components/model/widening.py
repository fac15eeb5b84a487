"""A model with one more class; its logits of the other classes stay the same."""

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from components.model import storage
from components.model.committee import SparseView
from components.model.description import Mix
from components.model.network import Model


def widened(
    model: Model,
    name: str,
    columns: Mapping[str, tuple[NDArray[np.float32], float]],
    known: Sequence[int],
) -> Model:
    """The same model with a class more, in its place among the sorted names.

    The logit of the new class is the mean of those of ``known`` and what ``columns`` add; the
    network has no part in it beyond that mean. Where the network answers alone, the committee gets
    a share in which it says nothing of the other classes.

    Args:
        model: with a committee.
        name: of the new class.
        columns: view name to a weight for each of its numbers ``(dim,)``, and a bias.
        known: numbers of the classes whose mean it is; none: 0.
    """
    classes = [*model.classes, name]
    order = np.argsort(np.array(classes, dtype=object), kind="stable").tolist()
    with torch.random.fork_rng(devices=[]):
        wide = storage.build(
            model.config,
            classes=sorted(classes),
            specs=model.specs,
            target=model.target_kind,
            target_base=model.target_base,
            base=model.base,
        )

    def more(values: Tensor) -> Tensor:
        """One entry more along the last axis."""
        new = values[..., list(known)].mean(-1, keepdim=True) if len(known) else None
        return torch.cat([values, torch.zeros_like(values[..., :1]) if new is None else new], -1)

    share = model.mix.committee or 1.0
    state = {
        key: _changed(key, values, model, more, order) for key, values in model.state_dict().items()
    }
    at = order.index(len(model.classes))
    for view, (weight, bias) in columns.items():
        stem = f"committee.views.{view}"
        read = weight
        _everywhere(state, stem)
        if isinstance(model.committee.views[view], SparseView):
            _make_room(state, stem, weight)
            read = weight[state[f"{stem}.buckets"].numpy()]
        _add(state, stem, torch.from_numpy(read) / share, at)
        state[f"{stem}.bias"][..., at] += bias / share
    wide.load_state_dict(state)
    wide.mix = Mix(network=model.mix.network, committee=share)
    return wide.eval()


def _changed(
    key: str,
    values: Tensor,
    model: Model,
    more: Callable[[Tensor], Tensor],
    order: list[int],
) -> Tensor:
    """A tensor of the model with the new class in it, where it has classes at all."""
    if key == "committee.neighbours.known":
        return torch.tensor([order.index(code) for code in values.tolist()])
    if key == "committee.neighbours.factor" and not model.mix.committee:
        return torch.zeros_like(values)
    if key.startswith("committee."):
        if key.rsplit(".", 1)[1] not in ("weight", "bias", "constant", "shift"):
            return values
        if not model.mix.committee:
            values = torch.zeros_like(values)
        return more(values)[..., order].contiguous()
    if key.startswith(("head.", "modality_heads.")):
        turned = more(values.movedim(0, -1))[..., order]
        return turned.movedim(-1, 0).contiguous()
    return values


def _everywhere(state: dict[str, Tensor], stem: str) -> None:
    """Let a view speak in all seats: the new class is told by these."""
    own, count = state[f"{stem}.weight"], len(state[f"{stem}.bias"])
    every = torch.zeros(len(own), count, own.shape[2])
    state[f"{stem}.weight"] = every.index_copy(1, state[f"{stem}.seats"], own)
    state[f"{stem}.seats"] = torch.arange(count)


def _make_room(state: dict[str, Tensor], stem: str, weight: NDArray[np.float32]) -> None:
    """Let a sparse view also read the buckets that speak for the new class."""
    first = f"{stem}.basis" if state[f"{stem}.basis"].numel() else f"{stem}.weight"
    before, old = state[f"{stem}.buckets"], state[first]
    buckets = torch.from_numpy(np.union1d(before.numpy(), np.flatnonzero(weight > 0)))
    room = torch.zeros(len(buckets), *old.shape[1:], dtype=old.dtype)
    room[torch.searchsorted(buckets, before)] = old
    state[f"{stem}.buckets"], state[first] = buckets, room


def _add(state: dict[str, Tensor], stem: str, column: Tensor, at: int) -> None:
    """Add weights ``(dim,)`` to those of a class; shortened rows get one number more for them.

    What neighbours are found by comes before it, and stays as it is.
    """
    basis, own = state[f"{stem}.basis"], state[f"{stem}.weight"]
    if not basis.numel():
        own[..., at] += column[:, None]
        return
    # At unit length half precision holds its numbers.
    length = column.norm().clamp_min(1e-12)
    unit = (column / length)[:, None].to(basis.dtype)
    more = torch.zeros(1, *own.shape[1:])
    more[..., at] = length
    state[f"{stem}.basis"] = torch.cat([basis, unit], dim=1)
    state[f"{stem}.weight"] = torch.cat([own, more])
