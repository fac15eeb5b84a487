"""What is seen of a data set without its media is what a run finds in it; a sample of it is a data set that runs."""

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from components.config.run import DataConfig
from components.core.errors import UserError
from components.plan import sample
from components.plan.survey import survey
from components.validation.accept import validate
from tests import datasets, tiny


def test_shares_are_those_of_the_encoded_set(real):
    seen, features = real.surveyed, real.features
    assert seen.records == seen.seen == len(features.ids)
    assert seen.splits.tolist() == features.splits.tolist()
    assert np.array_equal(seen.present, features.present)
    assert np.array_equal(seen.labelled, features.labels >= 0)
    assert list(seen.classes) == features.classes
    assert seen.media_by_path
    assert seen.id_length == np.mean([len(i) for i in features.ids])


def test_pictures_in_the_records_themselves_are_no_media_by_path(tmp_path):
    folder = tiny.make(tmp_path / "data", 40)
    table = pq.read_table(folder / "records.parquet")
    paths = table["image"].to_pylist()
    pictures = pa.array([p and (folder / "media" / p).read_bytes() for p in paths], pa.binary())
    table = table.set_column(table.schema.get_field_index("image"), "image", pictures)
    pq.write_table(table, folder / "records.parquet")
    seen = survey(DataConfig(uri=str(folder)))
    assert not seen.media_by_path
    assert seen.present[:, seen.names.index("image")].tolist() == [p is not None for p in paths]


def test_learnable_records_are_counted_by_modality(real):
    features = real.features
    for names in [(n,) for n in features.names] + [tuple(features.names)]:
        has = features.present[:, [features.names.index(n) for n in names]].any(axis=1) & (
            features.splits == "train"
        )
        for labelled in (True, False):
            expected = int((has & ((features.labels >= 0) == labelled)).sum())
            assert (
                round(real.surveyed.learnable(names, labelled=labelled) * len(features.ids))
                == expected
            )


@pytest.mark.parametrize("count", [40, 100])
def test_a_sample_is_a_data_set_that_a_run_accepts(real, tmp_path, count):
    cut = sample.write(real.config.data, real.surveyed, count, tmp_path / "cut")
    assert cut.records == count
    assert cut.media_bytes > 0
    out = tmp_path / "accepted"
    out.mkdir()
    validate(data=cut.data, modalities=real.config.modalities, out=out)
    again = survey(cut.data)
    assert again.records == count
    assert set(again.classes) == set(real.surveyed.classes)


def test_a_sample_never_shows_a_hidden_label(real, tmp_path):
    cut = sample.write(real.config.data, real.surveyed, 100, tmp_path / "cut")
    rows = sample.choose(real.surveyed, 100)
    again = survey(cut.data)
    assert not (again.labelled & ~real.surveyed.labelled[rows]).any()


def test_a_set_without_a_visible_training_label_cannot_be_planned(tmp_path):
    records = [
        {**r, "label": None if r["split"] == "train" else r["label"]} for r in datasets.rows()
    ]
    folder = datasets.write(tmp_path / "data", records)
    with pytest.raises(UserError, match="no training record has a visible label in column 'label'"):
        survey(DataConfig(uri=str(folder)))
