"""``concord classify --data DIR``: answer all records of a data set."""

import json
import os
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from components.config import run as configuration
from components.config.home import find, writable
from components.config.trainer import LocalTrainer
from components.core.errors import UsageError
from components.core.places import expanded, in_utf8, is_url
from components.data.manifest import load_manifest
from components.parts.own import OWN
from components.registry.promotion import Promotion
from components.registry.versions import RegisteredVersion
from flows.commands.answer import Answer
from flows.commands.registry import only_model
from flows.display import Display, console

if TYPE_CHECKING:
    from components.prediction.answers_file import Counts


def one_of_both(data: str | None, *, one: bool, all_: bool) -> bool:
    """Whether a whole data set is meant, not one record.

    Args:
        data: the data set, if one is given.
        one: whether an option for one record is given.
        all_: whether an option for a whole data set is given.

    Raises:
        UsageError: both are given, or an option for a data set without a data set.
    """
    if data is not None and one:
        raise UsageError(
            "--data answers all records of a data set; "
            "--media, --text, --fields and --url are for one: give either"
        )
    if data is None and all_:
        raise UsageError(
            "--out, --model and --config belong to --data DIR, "
            "the data set to answer; give that too"
        )
    return data is not None


def place_of(data: str) -> str:
    """A data set as it is given on the command line: a URL, or a folder seen from here."""
    return data if is_url(data) else in_utf8(os.path.normpath(Path.cwd() / expanded(data)))


def classify_all(
    data: str, *, out: Path | None, model: str | None, version: str, config: Path | None
) -> Answer:
    """Answer every record with a registered version and write one Parquet file.

    Args:
        data: the data set.
        out: the file to write.
        model: its registered name, else the configuration's, else the only one.
        version: a number, ``champion`` or ``challenger``.
        config: a run's YAML; its manifest describes the data, and its trainer block says where to
            run. Without it, own kinds come from the package.
    """
    if out is None:
        raise UsageError("--data wants --out FILE.parquet, where the answers go")
    if out.is_dir():
        raise UsageError(f"--out: {out} is a folder, wanted a file")
    from flows.engines import quiet
    from flows.places.batch import answer

    quiet()
    run = configuration.load(config, data) if config else None
    uri = run.data.uri if run else place_of(data)
    home = writable(find())
    name = only_model(home, model or (run.name if run else None))
    promotion = Promotion(home, name)
    chosen = promotion.versions().named(version)
    package = promotion.package_of(chosen)
    with Display() as display:
        counts = answer(
            package=package,
            data_uri=uri,
            manifest=load_manifest(
                uri,
                run.data.manifest if run else None,
                config.resolve().parent if config else package / OWN,
            ),
            out=out,
            home=home,
            trainer=run.trainer if run else LocalTrainer(),
            progress=display.show,
            say=lambda words: console.print(f"  {words}", markup=False, style="dim"),
        )
    return _told(chosen, counts, out)


def _told(version: RegisteredVersion, counts: "Counts", out: Path) -> Answer:
    """The answer of the command: how many records were answered, and how to see them."""
    left = counts.records - counts.answered
    text = (
        f"{version.model} version {version.version} answered {counts.answered} of "
        f"{counts.records} records in {out}"
    )
    if left:
        text += f"\n{left} have no usable modality: their label is null and `reason` says why"
    show = f"import pandas; print(pandas.read_parquet({json.dumps(str(out))}))"
    value = {
        "model": version.model,
        "version": version.version,
        "records": counts.records,
        "answered": counts.answered,
    }
    return Answer(
        value={**value, "out": str(out)},
        text=text,
        then=shlex.join([sys.executable, "-c", show]),
    )
