"""Commands that make synthetic data sets."""

from pathlib import Path
from typing import Annotated, Any

import typer

from flows.cli.options import AsJson, answer

_Folder = Annotated[Path, typer.Argument(metavar="DIR", help="Folder to make; it must not exist.")]
_Seed = Annotated[int, typer.Option(help="Random seed.")]
_Records = Annotated[int, typer.Option(help="Number of records.")]
_Modalities = Annotated[int, typer.Option(help="Number of modalities, 1 to 8.")]
_Noise = Annotated[
    list[float] | None,
    typer.Option(help="Standard deviation of the noise (1.0): one for all, or repeat for each."),
]
_Imbalance = Annotated[
    float, typer.Option(help="Frequency of the most common class, divided by that of the rarest.")
]
_Wrong = Annotated[
    float, typer.Option(help="Share of training records that get modalities of another record.")
]
_Missing = Annotated[float, typer.Option(help="Chance that a record lacks a modality.")]
_Unlabelled = Annotated[float, typer.Option(help="Share of training records without a label.")]


def pair(
    folder: _Folder,
    seed: _Seed = 0,
    records: _Records = 2000,
    modalities: _Modalities = 2,
    classes: Annotated[int, typer.Option(help="Number of classes.")] = 4,
    shared: Annotated[
        float,
        typer.Option(help="Share of the variance within a class that modalities have in common."),
    ] = 0.5,
    noise: _Noise = None,
    imbalance: _Imbalance = 1.0,
    wrong: _Wrong = 0.0,
    missing: _Missing = 0.0,
    unlabelled: _Unlabelled = 0.0,
    as_json: AsJson = False,
) -> None:
    """Make a synthetic set whose modalities share a class and a part of each record.

    It prints the best accuracy that any model can reach. Its fields are vectors of numbers, which
    the encoder `numbers` reads.

    Example: concord data pair data/pair
    """
    given = {"classes": classes, "shared": shared}
    shape = {"seed": seed, "records": records, "modalities": modalities, "noise": noise}
    faults = {"imbalance": imbalance, "wrong": wrong, "missing": missing}
    _make("pair", folder, {**given, **shape, **faults, "unlabelled": unlabelled}, as_json)


def xor(
    folder: _Folder,
    seed: _Seed = 0,
    records: _Records = 2000,
    modalities: _Modalities = 2,
    variant: Annotated[
        str,
        typer.Option(
            help="`xor`: the label is the exclusive-or of a bit in each modality; `redundant`: all "
            "have the same bit; `unique`: only the first has it."
        ),
    ] = "xor",
    noise: _Noise = None,
    imbalance: _Imbalance = 1.0,
    wrong: _Wrong = 0.0,
    missing: _Missing = 0.0,
    unlabelled: _Unlabelled = 0.0,
    as_json: AsJson = False,
) -> None:
    """Make a synthetic set whose label comes from a bit in each modality (see --variant).

    It prints the best accuracy that any model can reach. Its fields are vectors of numbers, which
    the encoder `numbers` reads.

    Example: concord data xor data/xor
    """
    shape = {"seed": seed, "records": records, "modalities": modalities, "noise": noise}
    faults = {"imbalance": imbalance, "wrong": wrong, "missing": missing}
    _make("xor", folder, {"variant": variant, **shape, **faults, "unlabelled": unlabelled}, as_json)


def _make(bed: str, folder: Path, knobs: dict[str, Any], as_json: bool) -> None:
    def work() -> Any:  # noqa: ANN401
        from flows.commands.beds import make

        return make(bed, folder, knobs)

    answer(work, as_json)
