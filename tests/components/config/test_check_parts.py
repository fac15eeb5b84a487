"""A part that cannot serve a run says so before anything trains."""

import pytest

from components.config.check_parts import check_parts
from components.config.run import RunConfig
from components.core.errors import UserError

FILLING = {"model": {"fusion": "predicted"}}
COMPLETION = {"losses": {"cross_entropy": {}, "completion": {}}}


def check(tmp_path, modalities, **blocks):
    tree = {"name": "x", "data": {"uri": str(tmp_path)}, **blocks}
    kinds = {f"text{i}": "text" for i in range(modalities)}
    check_parts(RunConfig.model_validate(tree), tmp_path / "x.yaml", kinds)


@pytest.mark.parametrize(
    ("modalities", "blocks", "said"),
    [
        (2, FILLING, "add `completion: {weight: 1.0}` to `losses`"),
        (1, FILLING | COMPLETION, "got a data set of text0 alone"),
        (2, COMPLETION, "got the fusion concat.*fusion: bank"),
        (
            2,
            {"losses": {"modality_heads": {"each": {"txt1": 2.0}}}},
            r"losses\.modality_heads\.each: unknown modality 'txt1': did you mean 'text1'",
        ),
        (2, {"model": {"fusion": "voting"}, "losses": {"info_nce": {}}}, "nothing teaches here"),
    ],
)
def test_it_is_refused_in_one_sentence(tmp_path, modalities, blocks, said):
    with pytest.raises(UserError, match=said):
        check(tmp_path, modalities, **blocks)


@pytest.mark.parametrize(
    "head", [{"name": "logistic", "strengths": [0]}, {"name": "prototype", "priors": [-1]}]
)
def test_a_wrong_number_in_a_list_is_one_mistake(tmp_path, head):
    with pytest.raises(
        UserError, match=r"1 mistake in (.|\n)*\.0: got -?\d, wanted: greater than 0"
    ):
        check(tmp_path, 2, model={"heads": [head]})


def test_what_fits_is_taken(tmp_path):
    check(tmp_path, 2, **FILLING, **COMPLETION)
    check(tmp_path, 1, model={"fusion": "voting"})
