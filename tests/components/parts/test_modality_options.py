"""Options of a modality go to its kind or to an encoder, and a misplaced one is refused."""

import pytest

from components.core.errors import UsageError
from components.parts.modality_options import modality_options


def test_an_encoder_that_is_named_the_old_way_is_refused_with_the_new_one():
    with pytest.raises(UsageError, match="did you mean 'encoders'"):
        modality_options("text", {"encoder": "minilm"})


def test_an_option_may_not_stand_in_two_places():
    options = {"size": [8, 8], "encoders": {"name": "cnn", "size": [16, 16]}}
    with pytest.raises(UsageError, match="'size': given for the modality and for its encoder"):
        modality_options("image", options)


def test_without_encoders_an_option_is_that_of_the_kinds_first():
    _, encoders = modality_options("image", {"size": [8, 8]})
    assert encoders == [("cnn", {"size": [8, 8]}, ""), ("lite", {}, "")]
    with pytest.raises(UsageError, match="buckets"):
        modality_options("text", {"buckets": 64})


def test_with_several_encoders_an_option_must_stand_with_one_of_them():
    options = {"buckets": 8, "encoders": ["minilm", "hashing"]}
    with pytest.raises(UsageError, match=r"give it there: \{name: hashing, buckets: \.\.\.\}"):
        modality_options("text", options)


def test_a_misspelt_option_of_the_only_encoder_is_reported_with_all_that_fit():
    with pytest.raises(UsageError, match=r"did you mean 'size'.*max_bytes.*widths"):
        modality_options("image", {"sise": [8, 8]})


def test_an_empty_list_of_encoders_is_refused():
    with pytest.raises(UsageError, match="wanted at least one"):
        modality_options("text", {"encoders": []})


def test_an_encoder_of_another_kind_is_refused():
    with pytest.raises(UsageError, match="encoder 'minilm' reads 'text'"):
        modality_options("image", {"encoders": "minilm"})


def test_an_encoder_may_stand_twice_under_views_of_its_own():
    few = {"name": "hashing", "view": "few", "buckets": 8}
    _, encoders = modality_options("text", {"encoders": [few, "hashing"]})
    assert [one.view_name for one in encoders] == ["few", "hashing"]
    assert encoders[0] == ("hashing", {"buckets": 8}, "few")


@pytest.mark.parametrize(
    "encoders", [["minilm", "minilm"], [{"name": "hashing", "view": "minilm"}, "minilm"]]
)
def test_two_views_of_one_name_are_refused_with_the_form_that_is_wanted(encoders):
    wanted = r"got the view 'minilm' more than once.*\{name: \w+, view: NAME, \.\.\.\}"
    with pytest.raises(UsageError, match=wanted):
        modality_options("text", {"encoders": encoders})


@pytest.mark.parametrize("view", ["", "../up", "a.b", "A", 3])
def test_a_view_has_a_plain_name(view):
    with pytest.raises(UsageError, match=r"got the view .*wanted a name of lower case letters"):
        modality_options("text", {"encoders": {"name": "minilm", "view": view}})
