"""The report tells why a modality is read by other encoders than its kind's default ones."""

import dataclasses

import pytest

from components.evaluation.inputs import inputs
from components.evaluation.previews import Previews
from components.features.spec import ViewSpec
from components.parts.encoders import e5
from tests import synthetic


@pytest.fixture
def features(tmp_path, monkeypatch):
    monkeypatch.setattr(e5, "missing", lambda: None)
    return synthetic.write_features(tmp_path / "features", synthetic.records(60), ("text",))


def read_by(features, encoders):
    """The same records, whose texts were read by these encoders."""
    made = features.specs["text"].views[0]
    views = tuple(dataclasses.replace(made, encoder=name) for name in encoders)
    assert all(isinstance(view, ViewSpec) for view in views)
    specs = {"text": dataclasses.replace(features.specs["text"], views=views)}
    return dataclasses.replace(features, specs=specs)


class Chinese(Previews):
    """Previews of other texts than the data set has."""

    def values(self, rows, modality):  # noqa: ARG002
        return ["红色的鞋子" for _ in rows]


@pytest.mark.parametrize(
    ("previews", "encoders", "why"),
    [
        (Chinese, ("e5", "ngrams"), "texts are mostly not in Latin script"),
        (Chinese, ("hashing",), ""),
        (Previews, ("e5", "ngrams"), ""),
    ],
)
def test_the_reason_is_told_where_the_data_speak_for_what_reads_them(
    features, previews, encoders, why
):
    read = read_by(features, encoders)
    (found,) = inputs(read, previews(features=read), ())
    assert (found.encoders, found.why) == (list(encoders), why)


def test_an_encoder_that_the_model_does_without_is_told_apart(features):
    read = read_by(features, ("hashing", "other"))
    (found,) = inputs(read, Previews(features=read), ["text/other"])
    assert (found.encoders, found.left_out) == (["hashing"], ["other"])
