"""What a model reads of each modality, as a table of the report."""

from collections.abc import Collection
from dataclasses import dataclass

from components.evaluation.galleries import evenly
from components.evaluation.previews import Previews
from components.features.spec import ModalitySpec
from components.features.store import Features
from components.parts import loading as parts

_TEXTS = 1_000
"""Training records, evenly spaced, from which the report explains the choice of encoders."""


@dataclass(frozen=True, kw_only=True)
class Input:
    """One modality.

    Attributes:
        name: of the modality.
        kind: that decodes it.
        encoders: that read it.
        left_out: those that held-out records did not ask for, which read nothing.
        present: share of the records that have it.
        why: what speaks for encoders other than the kind's default ones; empty if nothing does.
    """

    name: str
    kind: str
    encoders: list[str]
    left_out: list[str]
    present: float
    why: str


def inputs(features: Features, previews: Previews, left_out: Collection[str]) -> list[Input]:
    """All modalities, by name.

    Args:
        features: the data set with all views.
        previews: of its records.
        left_out: views that the model does without.
    """
    kept = features.without(left_out).specs
    return [
        Input(
            name=name,
            kind=features.specs[name].kind,
            encoders=[view.name for view in kept[name].views],
            left_out=[v.name for v in features.specs[name].views if v not in kept[name].views],
            present=float(features.present[:, column].mean()),
            why=_why(name, features.specs[name], features, previews),
        )
        for column, name in enumerate(features.names)
    ]


def _why(name: str, spec: ModalitySpec, features: Features, previews: Previews) -> str:
    kind = parts.load("kinds", spec.kind, spec.base)
    if not hasattr(kind, "suited") or spec.raw != "text":  # previews of texts are texts
        return ""
    train = features.rows("train")
    values = previews.values(train[evenly(len(train), _TEXTS)].tolist(), name)
    encoders, why = kind.suited(values) or ((), "")
    return why if [view.name for view in spec.views] == list(encoders) else ""
