"""The heads of the committee in a run's YAML."""

import pytest

from components.config import run as configuration
from components.core.errors import UsageError


def load(tmp_path, heads):
    path = tmp_path / "run.yaml"
    path.write_text(f"name: a\ndata: {{uri: d}}\nmodel: {{heads: {heads}}}\n")
    return configuration.load(path)


def test_heads_are_named_with_or_without_options(tmp_path):
    found = load(tmp_path, "[logistic, {name: prototype, priors: [1.0]}]").model.heads
    assert [(head.name, head.options) for head in found] == [
        ("logistic", {}),
        ("prototype", {"priors": [1.0]}),
    ]


@pytest.mark.parametrize(
    ("heads", "message"),
    [
        ("[logistik]", r"model.heads\[0\]: unknown head 'logistik'.*'logistic'"),
        ("[gda, gda]", "model.heads: got gda, gda, wanted heads by their names, each once"),
        ("[]", "model.heads: "),
        ("[knn]", "unknown head 'knn'; available: gda, logistic, prototype$"),
    ],
)
def test_wrong_heads_are_told_with_their_place(tmp_path, heads, message):
    with pytest.raises(UsageError, match=message):
        load(tmp_path, heads)
