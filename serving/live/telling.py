"""Predictions as the service tells them: a class, or the set of classes, of each record."""

from collections.abc import Sequence
from time import time
from typing import TYPE_CHECKING

from serving.interface import responses
from serving.store.ids import new_id

if TYPE_CHECKING:
    from components.prediction.classifier import Classifier
    from components.prediction.prediction import Prediction


def told(
    classifier: "Classifier", found: "Sequence[Prediction]", *, explain: bool
) -> list[responses.Answer] | list[responses.SetAnswer]:
    """An answer for each prediction.

    Args:
        classifier: the model that made them.
        found: the predictions.
        explain: add the answer of each modality alone.
    """
    # What is not set is not sent.
    why = [{"contributions": _contributions(classifier, p)} if explain else {} for p in found]
    if any(p.label is None for p in found):
        return [
            responses.SetAnswer(
                answer_id=new_id(time()),
                labels={name: p.probabilities[name] for name in p.labels},
                probabilities=p.probabilities,
                ood_score=p.ood_score,
                modalities=list(p.modalities),
                **said,
            )
            for p, said in zip(found, why, strict=True)
        ]
    return [
        responses.Answer(
            answer_id=new_id(time()),
            label=str(p.label),
            confidence=float(p.confidence or 0.0),
            probabilities=p.probabilities,
            abstained=bool(p.abstained),
            ood_score=p.ood_score,
            modalities=list(p.modalities),
            **said,
        )
        for p, said in zip(found, why, strict=True)
    ]


def _contributions(
    classifier: "Classifier", answer: "Prediction"
) -> dict[str, responses.Contribution]:
    found = classifier.contributions(answer)
    if answer.label is None:
        return {
            name: responses.Contribution(labels={n: said.probabilities[n] for n in said.labels})
            for name, said in found.items()
        }
    return {
        name: responses.Contribution(
            label=said.label,
            confidence=said.confidence,
            probability=said.probabilities[answer.label],
        )
        for name, said in found.items()
    }
