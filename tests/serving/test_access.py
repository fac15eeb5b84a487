"""Whether a service may listen on an address."""

import pytest

from components.core.errors import UsageError
from serving.access import access_of, check_access
from serving.http.tokens import Access
from serving.store.database import Database
from serving.store.tokens import Tokens

ANY = "0.0.0.0"  # noqa: S104 - the address is only checked


@pytest.fixture
def database(tmp_path, monkeypatch):
    monkeypatch.delenv("CONCORD_OPEN", raising=False)
    with Database(tmp_path / "store.sqlite") as database:
        yield database


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "::1", "127.8.8.8"])
def test_the_loopback_needs_no_token(database, host):
    check_access(host, database)
    assert access_of(host, {}) is Access.LOOPBACK


@pytest.mark.parametrize("host", [ANY, "::", "192.0.2.7", "machine.example"])
def test_another_address_without_a_token_is_refused(database, host):
    with pytest.raises(UsageError, match=r"`concord token new --name NAME --scope predict`"):
        check_access(host, database)


def test_a_token_lets_others_in_until_it_is_revoked(database):
    tokens = Tokens(database)
    tokens.new("shop", ["predict"])
    check_access(ANY, database)
    tokens.revoke("shop")
    with pytest.raises(UsageError, match="nobody has a token"):
        check_access(ANY, database)


def test_a_proxy_is_said_in_words(database, monkeypatch):
    monkeypatch.setenv("CONCORD_OPEN", "1")
    check_access(ANY, database)
    monkeypatch.setenv("CONCORD_OPEN", "yes")
    with pytest.raises(UsageError, match="CONCORD_OPEN: got 'yes', wanted 1"):
        check_access(ANY, database)


def test_an_unknown_address_asks_for_tokens():
    assert access_of("", {}) is Access.TOKENS
