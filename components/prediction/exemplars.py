"""The records of a data set that show a new class."""

from collections.abc import Mapping

import pyarrow as pa

from components.core.errors import UserError, unknown_name
from components.data.labels import each_class, given_labels
from components.data.manifest import Manifest
from components.data.media import Media
from components.data.reader import Dataset
from components.features.modality import Modality
from components.parts.contracts import Raw
from components.prediction.batch import readable, usable


def exemplars(
    data_uri: str, manifest: Manifest, modalities: Mapping[str, Modality], name: str, most: int
) -> tuple[list[dict[str, Raw]], list[str]]:
    """Those with the label of the class; all where no record has a label.

    Args:
        data_uri: the data set.
        manifest: what its columns mean.
        modalities: of the model, by name.
        name: of the class.
        most: records that are read at most.

    Returns:
        The records, and why values or records were left out.

    Raises:
        UserError: no record shows the class, or none can be read.
    """
    manifest = usable(manifest, {n: m.spec.kind for n, m in modalities.items()})
    columns = [manifest.id, *manifest.feature_columns]
    if manifest.target.column is not None:
        columns.append(manifest.target.column)
    columns = list(dict.fromkeys(columns))
    dataset = Dataset(data_uri, manifest, [c for c in columns if c != manifest.target.column])
    columns = [c for c in columns if c in dataset.schema.names]
    media = Media(data_uri) if manifest.media else None
    table, seen = _showing(dataset, manifest, columns, name)
    if not len(table):
        nothing = unknown_name("label", name, sorted(seen)) if seen else "it has no records"
        raise UserError(
            f"{data_uri} shows no {name!r}: {nothing}; give records with this label, or records"
            " without any, all of which are then of the class"
        )
    records, reasons = readable(table.slice(0, most), manifest, media, modalities)
    told = [reason for why in reasons for reason in why]
    if not any(records):
        raise UserError(f"{data_uri}: no record of {name!r} can be read: {'; '.join(told[:3])}")
    return [record for record in records if record], told


def _showing(
    dataset: Dataset, manifest: Manifest, columns: list[str], name: str
) -> tuple[pa.Table, set[str]]:
    """The records with the label, or those without any if no label occurs; and all labels."""
    seen: set[str] = set()
    own, unlabelled = [], []
    has = manifest.target.column in columns
    for batch in dataset.batches(columns=columns):
        labels = given_labels(batch, manifest.target) if has else [None] * batch.num_rows
        classes = [set(each_class(label)) for label in labels]
        seen.update(*classes)
        own.append(pa.Table.from_batches([batch]).filter(pa.array([name in c for c in classes])))
        unlabelled.append(pa.Table.from_batches([batch]).filter(pa.array([not c for c in classes])))
    chosen = own if seen else unlabelled
    return pa.concat_tables(chosen, promote_options="permissive"), seen
