"""Tokens: shown once, kept as a digest, ended by time or by hand."""

import hashlib

import pytest

from components.core.errors import UsageError, UserError
from serving.store.tokens import Tokens, digest_of


@pytest.fixture
def tokens(opened, clock):
    return Tokens(opened(), clock)


def test_a_token_has_256_random_bits_and_is_kept_as_its_digest_only(tokens, opened):
    token = tokens.new("shop", ["predict"])
    other = tokens.new("else", ["predict"])
    assert token != other
    assert len(token.removeprefix("concord_")) == 43  # base64 without padding of 32 bytes
    assert digest_of(token) == hashlib.sha256(token.encode()).hexdigest()
    (_, kept) = Tokens(opened()).all()
    assert kept.digest == digest_of(token)
    assert token not in repr(kept)


def test_scopes_are_kept_in_one_order_and_once(tokens):
    tokens.new("shop", ["write", "predict", "write"])
    assert tokens.all()[0].scopes == ("predict", "write")


def test_a_token_works_until_its_last_day(tokens, clock):
    token = tokens.new("shop", ["predict"], days=2)
    clock.now += 2 * 86_400 - 1
    assert digest_of(token) in tokens.valid()
    clock.now += 1
    assert not tokens.valid()


def test_a_revoked_token_is_listed_and_not_valid(tokens, clock):
    tokens.new("shop", ["predict"])
    first = clock.now = clock.now + 5
    tokens.revoke("shop")
    clock.now += 5
    tokens.revoke("shop")
    assert not tokens.valid()
    assert tokens.all()[0].revoked == first


def test_a_name_is_used_once(tokens):
    tokens.new("shop", ["predict"])
    tokens.revoke("shop")
    with pytest.raises(UserError, match="a token named 'shop' exists, or did"):
        tokens.new("shop", ["predict"])


@pytest.mark.parametrize("name", ["", "Shop", "a b", "-a", "a" * 64, "shop\n", "ß"])
def test_a_name_is_one_word(tokens, name):
    with pytest.raises(UsageError, match="name of a token: got"):
        tokens.new(name, ["predict"])


def test_an_unknown_scope_is_refused_with_the_nearest(tokens):
    with pytest.raises(UsageError, match="did you mean 'predict'"):
        tokens.new("shop", ["predikt"])
    with pytest.raises(UsageError, match="wanted some of predict, write, feedback, admin"):
        tokens.new("shop", [])
    assert not tokens.all()


def test_an_unknown_name_cannot_be_revoked(tokens):
    tokens.new("shop", ["predict"])
    with pytest.raises(UserError, match="did you mean 'shop'"):
        tokens.revoke("shpo")
