"""``concord classify`` and ``concord embed`` of all records of a file or a data set."""

import json
import os
import shlex
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from components.config import run as configuration
from components.config.home import Home, find, writable
from components.config.trainer import LocalTrainer
from components.core.errors import UsageError
from components.core.places import expanded, in_utf8, is_url
from components.data.manifest import Manifest, load_manifest
from components.parts.own import OWN
from components.registry.promotion import Promotion
from components.registry.versions import RegisteredVersion
from flows.commands.answer import Answer
from flows.commands.registry import only_model
from flows.display import Display, console

if TYPE_CHECKING:
    from components.config.run import RunConfig
    from components.prediction.answers_file import Counts
    from components.prediction.predictor import Predictor
    from components.prediction.records_file import RecordsFile


@dataclass(frozen=True, kw_only=True)
class Batch:
    """What is to be answered: a file or a data set, by which version, into which file."""

    source: str
    """A file of records, or a data set."""
    out: Path
    model: str | None = None
    """The registered name, else the configuration's, else the only one."""
    version: str = "champion"
    config: Path | None = None
    """A run's YAML: its manifest describes the data, and its trainer block says where to run.

    Without it, own kinds come from the package."""


def place_of(data: str) -> str:
    """A data set as it is given on the command line: a URL, or a folder seen from here."""
    return data if is_url(data) else in_utf8(os.path.normpath(Path.cwd() / expanded(data)))


def classify_all(batch: Batch) -> Answer:
    """Classify every record with a registered version and write one Parquet file."""
    from flows.places.batch import answer

    home, run, chosen, predictor = _opened(batch)
    with Display() as display:
        if file := _file(batch, predictor):
            from components.prediction.batch import predict

            counts = predict(
                predictor=predictor, data_uri=file.uri, manifest=file.manifest, out=batch.out,
                file=file, progress=display.show,
            )  # fmt: skip
        else:
            uri, manifest = _data_set(batch, run, predictor)
            counts = answer(
                predictor=predictor,
                data_uri=uri,
                manifest=manifest,
                out=batch.out,
                home=home,
                trainer=run.trainer if run else LocalTrainer(),
                progress=display.show,
                say=lambda words: console.print(f"  {words}", markup=False, style="dim"),
            )
    return _told(chosen, counts, batch.out, "their label is null")


def embed_all(batch: Batch) -> Answer:
    """Write the vectors of every record into one Parquet file."""
    from components.prediction.batch import predict
    from components.prediction.vectors_file import vectors

    _, run, chosen, predictor = _opened(batch)
    file = _file(batch, predictor)
    uri, manifest = (file.uri, file.manifest) if file else _data_set(batch, run, predictor)
    with Display() as display:
        counts = predict(
            predictor=predictor, data_uri=uri, manifest=manifest, out=batch.out, file=file,
            form=vectors(predictor), progress=display.show,
        )  # fmt: skip
    return _told(chosen, counts, batch.out, "their vectors are null")


def _opened(batch: Batch) -> "tuple[Home, RunConfig | None, RegisteredVersion, Predictor]":
    """Everything but the records, checked before the model is loaded."""
    if batch.out.is_dir():
        raise UsageError(f"--out: {batch.out} is a folder, wanted a file")
    if batch.out.suffix not in ("", ".parquet", ".pq"):
        wanted = batch.out.with_suffix(".parquet")
        raise UsageError(f"--out: got {str(batch.out)!r}, wanted a Parquet file, such as {wanted}")
    place = place_of(batch.source)
    if batch.config is None and not is_url(place) and not Path(place).exists():
        raise UsageError(f"no file and no data set at {place}")
    from components.prediction.predictor import Predictor
    from flows.engines import quiet

    quiet()
    run = configuration.load(batch.config, batch.source) if batch.config else None
    home = writable(find())
    name = only_model(home, batch.model or (run.name if run else None))
    promotion = Promotion(home, name)
    chosen = promotion.versions().named(batch.version)
    return home, run, chosen, Predictor.load(promotion.package_of(chosen))


def _file(batch: Batch, predictor: "Predictor") -> "RecordsFile | None":
    """The records, where the source is a file."""
    if is_url(batch.source) or not (path := Path(place_of(batch.source))).is_file():
        return None
    if batch.config is not None:
        raise UsageError(f"--config is for a data set; {path} is a file with columns of its own")
    from components.prediction.records_file import RecordsFile

    file = RecordsFile(path, predictor.modalities, predictor.path)
    if not file.has_ids:
        console.print(
            f"  {path} has no column `id`: its records are numbered from 0; rename the "
            "column that identifies them",
            markup=False, style="dim", soft_wrap=True,
        )  # fmt: skip
    if file.lacking:
        console.print(
            f"  {path} has no column for {', '.join(file.lacking)}; not read: "
            f"{', '.join(file.unread) or 'no column'}",
            markup=False, style="dim", soft_wrap=True,
        )  # fmt: skip
    return file


def _data_set(
    batch: Batch, run: "RunConfig | None", predictor: "Predictor"
) -> tuple[str, Manifest]:
    """Where a data set is, and what its columns mean."""
    uri = run.data.uri if run else place_of(batch.source)
    base = batch.config.resolve().parent if batch.config else predictor.path / OWN
    return uri, load_manifest(uri, run.data.manifest if run else None, base)


def _told(version: RegisteredVersion, counts: "Counts", out: Path, without: str) -> Answer:
    """The answer of the command: how many records were answered, and how to see them."""
    left = counts.records - counts.answered
    text = (
        f"{version.model} version {version.version} answered {counts.answered} of "
        f"{counts.records} records in {out}"
    )
    if left:
        text += f"\n{left} have no usable modality: {without} and `reason` gives the cause"
    if counts.partly:
        text += f"\n{counts.partly} were answered without values that cannot be read: see `reason`"
    show = f"import pandas; print(pandas.read_parquet({json.dumps(str(out))}))"
    value = {
        "model": version.model,
        "version": version.version,
        "records": counts.records,
        "answered": counts.answered,
        "partly": counts.partly,
    }
    return Answer(
        value={**value, "out": str(out)},
        text=text,
        then=shlex.join([sys.executable, "-c", show]),
    )
