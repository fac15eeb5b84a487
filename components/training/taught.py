"""What a committee was fitted to and what it found, on disk: later steps go on from there."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import load_file, save_file

from components.core.files import read_json, write_json
from components.features.tfidf import Reduction
from components.parts.linear import Linear
from components.training.committee import Committee, Maps, Member, Seat
from components.training.labelled import Labelled
from components.training.light import Counted, Fixed, Made
from components.training.neighbours import Neighbours

TENSORS, DESCRIPTION = "committee.safetensors", "committee.json"


@dataclass(frozen=True, kw_only=True)
class Taught:
    """A committee with every fit of its folds.

    Attributes:
        labelled: the records that it learned from.
        committee: its maps.
        made: view name to how the view becomes what the maps read.
        shift: what was added to its constant ``(classes,)`` because classes are shared otherwise
            among all records than among the labels; labels judge without it.
    """

    labelled: Labelled
    committee: Committee
    made: Mapping[str, Made]
    shift: NDArray[np.float64]


def save(taught: Taught | None, folder: Path, **figures: object) -> None:
    """Write ``committee.json`` and, where there is a committee, its numbers.

    Args:
        taught: None where nothing could be fitted.
        folder: it exists.
        figures: further contents of the description.
    """
    if taught is None:
        write_json(folder / DESCRIPTION, {"fitted": False, **figures})
        return
    labelled, committee = taught.labelled, taught.committee
    tensors: dict[str, NDArray[Any]] = {
        "labelled/rows": labelled.rows,
        "labelled/folds": labelled.folds,
        **_stored(labelled.targets),
        "shift": taught.shift,
    }
    for key, seat in committee.seats.items():
        tensors[f"seat/{key}/constant"] = seat.maps.constant
        for view, linear in seat.maps.of.items():
            stem = f"seat/{key}/{view}"
            tensors[f"{stem}/bias"] = linear.bias
            if linear.weight.any():  # members without weight leave nothing
                tensors[f"{stem}/weight"] = linear.weight
    for view, made in taught.made.items():
        tensors |= {f"made/{view}/{name}": array for name, array in _numbers(made).items()}
    if (near := committee.neighbours) is not None:
        tensors |= {
            "near/rows": near.rows,
            "near/vectors": _half(near.vectors),
            "near/distributions": _half(near.distributions),
            "near/offset": near.offset,
            "near/factors": near.factors,
        }
    save_file({name: np.ascontiguousarray(x) for name, x in tensors.items()}, folder / TENSORS)
    description = {
        "fitted": True,
        "activation": labelled.activation,
        "views": list(taught.made),
        "seats": {
            key: {
                "views": list(seat.maps.of),
                "members": [asdict(member) for member in seat.members],
            }
            for key, seat in committee.seats.items()
        },
        "left_out": committee.left_out,
        "neighbours": None if near is None else near.shares,
    }
    write_json(folder / DESCRIPTION, {**description, **figures})


def load(folder: Path) -> Taught | None:
    """Read what ``save`` wrote; None where there was nothing to fit."""
    about: dict[str, Any] = read_json(folder / DESCRIPTION)
    if not about["fitted"]:
        return None
    tensors = load_file(folder / TENSORS)
    seats = {key: _seat(tensors, f"seat/{key}", one) for key, one in about["seats"].items()}
    return Taught(
        labelled=Labelled(
            rows=tensors["labelled/rows"],
            targets=_targets(tensors, tensors["shift"].shape[0]),
            folds=tensors["labelled/folds"],
            activation=about["activation"],
        ),
        committee=Committee(
            seats=seats,
            left_out=tuple((head, view) for head, view in about["left_out"]),
            neighbours=_near(tensors, about),
        ),
        made={view: _made(tensors, f"made/{view}") for view in about["views"]},
        shift=tensors["shift"],
    )


def _near(tensors: Mapping[str, NDArray[Any]], about: Mapping[str, Any]) -> Neighbours | None:
    if not about.get("neighbours"):
        return None
    return Neighbours(
        shares=about["neighbours"],
        rows=tensors["near/rows"],
        vectors=tensors["near/vectors"].astype(np.float32),
        distributions=tensors["near/distributions"].astype(np.float32),
        offset=tensors["near/offset"],
        factors=tensors["near/factors"],
        sigmoid=about["activation"] == "sigmoid",
    )


def _seat(tensors: Mapping[str, NDArray[Any]], stem: str, about: Mapping[str, Any]) -> Seat:
    of = {view: _linear(tensors, view, f"{stem}/{view}") for view in about["views"]}
    return Seat(
        maps=Maps(of=of, constant=tensors[f"{stem}/constant"]),
        members=tuple(Member(**member) for member in about["members"]),
    )


def _linear(tensors: Mapping[str, NDArray[Any]], view: str, stem: str) -> Linear:
    bias, weight = tensors[f"{stem}/bias"], tensors.get(f"{stem}/weight")
    if weight is None:
        weight = np.zeros((len(bias), _dim(tensors, f"made/{view}"), bias.shape[1]), np.float32)
    return Linear(weight=weight, bias=bias)


def _dim(tensors: Mapping[str, NDArray[Any]], place: str) -> int:
    """How many numbers maps read of a view."""
    if f"{place}/basis" in tensors:
        return int(tensors[f"{place}/basis"].shape[1])
    return len(tensors[f"{place}/components"])


def _stored(targets: NDArray[np.float64]) -> dict[str, NDArray[Any]]:
    """Targets ``(k, classes)`` in few bytes: numbers of classes where each record has just one."""
    codes = targets.argmax(axis=1).astype(np.int32)
    if (targets.sum(axis=1) == 1).all() and (targets.max(axis=1) == 1).all():
        return {"labelled/codes": codes}
    short = targets.astype(np.float32)
    return {"labelled/targets": short if (short == targets).all() else targets}


def _targets(tensors: Mapping[str, NDArray[Any]], classes: int) -> NDArray[np.float64]:
    if "labelled/codes" not in tensors:
        return tensors["labelled/targets"].astype(np.float64)
    codes = tensors["labelled/codes"]
    found = np.zeros((len(codes), classes))
    found[np.arange(len(codes)), codes] = 1
    return found


def _numbers(made: Made) -> dict[str, NDArray[Any]]:
    if isinstance(made, Fixed):
        return {"mean": made.mean, "scale": made.scale, "basis": _half(made.basis)}
    found = made.reduction
    return {"idf": made.idf, "buckets": found.buckets, "components": _half(found.components)}


def _half(directions: NDArray[np.float32]) -> NDArray[Any]:
    """The same numbers in half the bytes, where these hold them."""
    short = directions.astype(np.float16)
    return short if (short == directions).all() else directions


def _made(tensors: Mapping[str, NDArray[Any]], place: str) -> Made:
    if f"{place}/mean" in tensors:
        return Fixed(
            mean=tensors[f"{place}/mean"],
            scale=tensors[f"{place}/scale"],
            basis=tensors[f"{place}/basis"].astype(np.float32),
        )
    reduction = Reduction(
        buckets=tensors[f"{place}/buckets"],
        components=tensors[f"{place}/components"].astype(np.float32),
    )
    return Counted(idf=tensors[f"{place}/idf"], reduction=reduction)
