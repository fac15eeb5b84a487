"""Learns to compose a query of a picture and words, and keeps it if it beats their sum.

``q = norm(z + MLP([z; t]))`` must find the target's embedding among those of its batch: InfoNCE
over triplets of records that differ in one field (`triplets`). Records of one group or of equal
content are no negatives of each other. Triplets of records that it did not learn from judge.

Source: the residual of TIRG, Vo et al. 2019, Composing text and image for image retrieval
(arXiv:1812.07119), without its gate.
"""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from components.config.composer import ComposerConfig
from components.core.files import write_json
from components.core.progress import Progress, Say, silent, unheard
from components.features.store import Features
from components.model import storage
from components.model.composer import FIGURES, Composer
from components.model.inference import infer
from components.model.network import Model
from components.parts.losses.info_nce import info_nce
from components.training.judged_composer import Judged, judged
from components.training.optimiser import adamw
from components.training.triplets import Triplets

METHOD = {
    "id": "R05b",
    "name": "learned composer of a picture and words (residual of TIRG)",
    "for": "searching by a picture and words that say what should differ",
    "needs": "two modalities, and categories, sets or classes in which records differ one by one",
    "use": "composer: {reference: image, text: text}",
}
_BATCH = 256
_LEARNING_RATE, _WEIGHT_DECAY = 1e-3, 1e-2
_TEMPERATURE = 0.07
"""First value of CLIP's (arXiv:2103.00020); it stays."""


@dataclass(frozen=True, kw_only=True)
class Embedded:
    """Triplets as vectors; ``n`` records, ``k`` triplets.

    Attributes:
        z: unit vectors ``(n, dim)`` of the references' modality.
        t: those of the texts' modality; rows without it are zeros.
        groups: number of each record's group ``(n,)``.
        contents: number of each record's content in the references' modality ``(n,)``.
        references: positions ``(k,)``.
        targets: positions ``(k,)``.
        held_out: which triplets ``(k,)`` judge.
    """

    z: NDArray[np.float32]
    t: NDArray[np.float32]
    groups: NDArray[np.int64]
    contents: NDArray[np.int64]
    references: NDArray[np.int64]
    targets: NDArray[np.int64]
    held_out: NDArray[np.bool_]


class _Net(nn.Module):
    def __init__(self, dim: int, hidden: int) -> None:
        super().__init__()
        self.hidden, self.out = nn.Linear(2 * dim, hidden), nn.Linear(hidden, dim)

    def forward(self, z: Tensor, t: Tensor) -> Tensor:
        moved = self.out(torch.relu(self.hidden(torch.cat([z, t], dim=-1))))
        return F.normalize(z + moved, dim=-1)


def compose(
    *,
    features: Path,
    triplets: Path,
    train: Path,
    composer: ComposerConfig,
    seed: int,
    out: Path,
    progress: Progress = silent,
    say: Say = unheard,
) -> None:
    """The step that learns a composer for the model that was trained.

    Args:
        features: output of encode.
        triplets: output of the step that draws them.
        train: output of train.
        composer: its options.
        seed: of weights and batches.
        out: an empty folder; takes ``composer.json``, and ``composer.safetensors`` if it is kept.
        progress: called after each pass.
        say: receives what was found.
    """
    data, model = Features.load(features), storage.load(train / "model")
    given = embedded(model, data, Triplets.load(triplets), composer)
    learned = fit(given, composer, seed, progress)
    found = judge(given, learned)
    if found.kept:
        learned.save(out)
    say(found.words())
    about = {"reference": composer.reference, "text": composer.text, **asdict(found)}
    write_json(
        out / FIGURES, {**about, "learned": int((~given.held_out).sum()), "kept": found.kept}
    )


def embedded(
    model: Model, data: Features, triplets: Triplets, composer: ComposerConfig
) -> Embedded:
    """The triplets' records in a model's space of the modalities."""
    rows = np.unique(np.concatenate([triplets.references, triplets.targets]))
    present = data.present[:, [data.names.index(name) for name in model.names]]
    used = (composer.reference, composer.text)
    vectors = infer(model, data.arrays, present, rows=rows, subset=used, each=False).embeddings
    groups = np.array([data.groups[row] for row in rows], dtype=np.str_)
    return Embedded(
        z=vectors[composer.reference],
        t=np.nan_to_num(vectors[composer.text]),
        groups=np.unique(groups, return_inverse=True)[1].reshape(-1),
        contents=data.contents[rows, data.names.index(composer.reference)],
        references=np.searchsorted(rows, triplets.references),
        targets=np.searchsorted(rows, triplets.targets),
        held_out=triplets.held_out,
    )


def fit(
    given: Embedded, composer: ComposerConfig, seed: int, progress: Progress = silent
) -> Composer:
    """Learn from the triplets that do not judge; the same seed gives the same weights."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        net = _Net(given.z.shape[1], composer.hidden)
    optimiser = adamw(net.named_parameters(), lr=_LEARNING_RATE, weight_decay=_WEIGHT_DECAY)
    rng = np.random.default_rng(seed)
    for epoch in range(composer.epochs):
        progress("composer", epoch, composer.epochs)
        for batch in _batches(np.flatnonzero(~given.held_out), rng):
            loss = _loss(net, given, batch)
            optimiser.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimiser.step()
    progress("composer", composer.epochs, composer.epochs)
    weights = {name: np.array(value.numpy()) for name, value in net.state_dict().items()}
    return Composer(reference=composer.reference, text=composer.text, weights=weights)


def judge(given: Embedded, composer: Composer) -> Judged:
    """Recall of a composer and of the plain sum on the triplets that judge."""
    i, j = given.references[given.held_out], given.targets[given.held_out]
    added = given.z[i] + given.t[j]
    added /= np.maximum(np.linalg.norm(added, axis=1, keepdims=True), 1e-12)
    gallery = np.unique(np.concatenate([i, j]))
    return judged(
        queries={"composer": composer(given.z[i], given.t[j]), "sum": added},
        gallery=given.z[gallery],
        groups=given.groups[gallery],
        references=np.searchsorted(gallery, i),
        targets=np.searchsorted(gallery, j),
    )


def _batches(rows: NDArray[np.int64], rng: np.random.Generator) -> Iterator[NDArray[np.int64]]:
    """Every triplet once, in random order; a last one alone has nothing to be told from."""
    order = rng.permutation(rows)
    for start in range(0, len(order), _BATCH):
        if len(batch := order[start : start + _BATCH]) > 1:
            yield batch


def _loss(net: _Net, given: Embedded, batch: NDArray[np.int64]) -> Tensor:
    i, j = given.references[batch], given.targets[batch]
    z, t, wanted = (torch.from_numpy(x) for x in (given.z[i], given.t[j], given.z[j]))
    alike = [torch.from_numpy(numbers[j]) for numbers in (given.groups, given.contents)]
    same = (alike[0][:, None] == alike[0]) | (alike[1][:, None] == alike[1])
    return info_nce(net(z, t), wanted, torch.tensor(1 / _TEMPERATURE), same)
