"""``concord token``: a token is shown once, and what it may do is told."""

import json

import pytest

from flows.commands import tokens


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("CONCORD_HOME", str(tmp_path))
    monkeypatch.delenv("CONCORD_DATABASE_URL", raising=False)
    return tmp_path


def test_a_token_is_shown_once_and_never_again(home):
    made = tokens.new("shop", ["predict"], rate=600, days=1)
    token = made.value["token"]
    assert token in made.text
    shown = tokens.list_()
    assert token not in shown.text + json.dumps(shown.value)
    assert all(token.encode() not in path.read_bytes() for path in home.iterdir())
    assert "600 a minute" in shown.text
    assert "valid until" in shown.text


def test_a_revoked_token_is_told_so():
    tokens.new("shop", ["predict", "admin"], rate=None, days=None)
    tokens.revoke("shop")
    (told,) = tokens.list_().value["tokens"]
    assert (told["valid"], told["scopes"]) == (False, ["predict", "admin"])


def test_where_there_is_none_the_next_step_is_told():
    assert "concord token new" in tokens.list_().text
