"""What the committee says of records that it has not seen, whole and by part of the modalities."""

from collections.abc import Iterable, Mapping

import numpy as np
from numpy.typing import NDArray

from components.parts.linear import activated
from components.training.committee import Committee, Labelled, Views, temper


def held_out_probabilities(
    views: Views, labelled: Labelled, committee: Committee
) -> NDArray[np.float64]:
    """Probabilities ``(k, classes)`` of the labelled records, each from the fit without its fold.

    Thresholds of ``multi`` can be chosen on them: no fit has seen the record that it answers.
    """
    logits = labelled.held_out(committee.every(views, labelled.rows))
    return activated(logits, np.zeros_like(logits), labelled.activation)[0].astype(np.float64)


def subset_scales(
    views: Views,
    labelled: Labelled,
    committee: Committee,
    modality_of: Mapping[str, str],
    subsets: Iterable[tuple[str, ...]],
    shift: NDArray[np.float64] | None = None,
) -> dict[tuple[str, ...], float]:
    """The factor of the logits for each subset of modalities, as if a record had no other.

    It makes held-out labels most likely, and is drawn towards the factor of all modalities by as
    much as one record says. A subset that no record which judges has gets that one.

    Args:
        views: of all records.
        labelled: the labelled ones.
        committee: fitted to them.
        modality_of: view name to modality.
        subsets: names of modalities, each subset not empty.
        shift: what of the committee's constant ``(classes,)`` is not for labels to judge; factors
            are of the logits without it.
    """
    names = sorted({modality_of[view] for view in committee.maps})
    constant = committee.constant - (0.0 if shift is None else shift)
    terms = _terms(views, labelled, committee, modality_of)
    full = temper(_answers(constant, terms, names, labelled), labelled)
    found = {}
    for subset in subsets:
        has = np.zeros(len(labelled.rows), np.bool_)
        for view in committee.maps:
            if modality_of[view] in subset:
                has |= views.present[view][labelled.rows]
        at = np.flatnonzero(has & labelled.judging)
        logits = full * _answers(constant, terms, subset, labelled)
        found[subset] = full * (temper(logits[at], labelled, at) if len(at) else 1.0)
    return found


def _terms(
    views: Views, labelled: Labelled, committee: Committee, modality_of: Mapping[str, str]
) -> dict[str, NDArray[np.float64]]:
    """What each modality adds to the held-out logits ``(k, classes)``."""
    rows, found = labelled.rows, dict[str, NDArray[np.float64]]()
    for view, linear in committee.maps.items():
        x, has = views.features[view][rows], views.present[view][rows, None]
        said = np.zeros(labelled.targets.shape)
        for fold in range(labelled.fits - 1):
            at = labelled.folds == fold
            said[at] = linear.logits(x[at], fold) * has[at]
        name = modality_of[view]
        found[name] = found[name] + said if name in found else said
    return found


def _answers(
    constant: NDArray[np.floating],
    terms: Mapping[str, NDArray[np.float64]],
    subset: Iterable[str],
    labelled: Labelled,
) -> NDArray[np.float64]:
    found = constant[labelled.folds].astype(np.float64)
    for name in subset:
        if name in terms:
            found = found + terms[name]
    return found
