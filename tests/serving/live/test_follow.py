"""The service follows the ledger: promotions, rollbacks, bad versions, canaries and shadows."""

import shutil

import pytest

from components.config.home import find
from components.core.files import write_json
from components.core.refs import digest_folder
from components.model.listing import FILES
from components.prediction.format import digests as digests_of
from components.registry.ledger import Ledger
from components.registry.ledger_entry import Entry
from serving.live.follow import Follower
from serving.live.live import Live
from serving.store import beside
from serving.store.beside import Chosen
from serving.store.database import Database
from serving.worker import Serving
from tests.packaged import packed

NOW = "2026-01-02T03:04:05+00:00"


class Registry:
    """A ledger with versions that differ in their card."""

    def __init__(self, root):
        self.home, self.digests = find(root), {}
        self.home.root.mkdir(parents=True)

    def register(self, version, break_it=lambda _: None):
        package = self.home.root / f"package-{version}"
        shutil.copytree(packed().package, package)
        (package / "card.md").write_text(f"# Card {version}\n")
        break_it(package)
        write_json(package / FILES, {"files": digests_of(package)})
        self.digests[version] = digest_folder(package)
        self._append(version, "registration", package=package.name)

    def promote(self, version):
        self._append(version, "promotion")

    def _append(self, version, kind, **details):
        entry = Entry(
            time=NOW, model="tiny", kind=kind, version=version,
            package_digest=self.digests[version], actor="ada", details=details,
        )  # fmt: skip
        Ledger(self.home.ledger).append(entry)


@pytest.fixture
def registry(tmp_path):
    return Registry(tmp_path / "home")


@pytest.fixture
def follower(registry, monkeypatch):
    monkeypatch.setenv("CONCORD_HOME", str(registry.home.root))
    serving = Serving(own=packed().package)
    live = Live()
    store = Database(registry.home.store)
    return Follower(registry.home, store, "tiny", live, serving.load), live, store


def version(live):
    return live.any().ref.version


def test_promotions_and_rollbacks_are_followed(registry, follower):
    follow, live, _ = follower
    registry.register(1)
    registry.register(2)
    for champion in (1, 2, 1):
        registry.promote(champion)
        follow.look()
        assert version(live) == champion
        assert live.any().ref.package_digest == registry.digests[champion]


def test_the_ledger_is_read_again_only_after_it_has_grown(registry, follower, monkeypatch):
    follow, _, _ = follower
    registry.register(1)
    registry.promote(1)
    read = []
    entries = Ledger.entries
    monkeypatch.setattr(Ledger, "entries", lambda *given: read.append(1) or entries(*given))
    for _ in range(3):
        follow.look()
    registry.promote(1)
    follow.look()
    assert len(read) == 2


def test_a_version_that_does_not_load_is_reported_and_the_old_one_goes_on(registry, follower):
    follow, live, _ = follower
    registry.register(1)
    registry.register(2, lambda p: (p / "weights.safetensors").write_bytes(b"no weights"))
    registry.register(3, lambda p: (p / "model.json").write_text("{"))
    registry.promote(1)
    follow.look()
    for bad in (2, 3):
        registry.promote(bad)
        follow.look()
        assert (version(live), live.refused) == (1, bad)
    registry.promote(1)
    follow.look()
    assert (version(live), live.refused) == (1, None)


def test_a_package_that_was_changed_is_not_served(registry, follower):
    follow, live, _ = follower
    registry.register(1)
    registry.register(2)
    (registry.home.root / "package-2" / "card.md").write_text("changed later")
    registry.promote(1)
    follow.look()
    registry.promote(2)
    follow.look()
    assert (version(live), live.refused) == (1, 2)


def test_a_package_that_comes_later_is_served_then(registry, follower):
    follow, live, _ = follower
    registry.register(1)
    registry.register(2)
    registry.promote(1)
    follow.look()
    package = registry.home.root / "package-2"
    package.rename(package.with_name("elsewhere"))
    registry.promote(2)
    follow.look()
    assert (version(live), live.refused) == (1, 2)
    package.with_name("elsewhere").rename(package)
    follow.look()
    assert (version(live), live.refused) == (2, None)


def test_the_log_has_the_moment_from_which_a_canary_answers(registry, follower, caplog):
    follow, _, store = follower
    registry.register(1)
    registry.register(2)
    registry.promote(1)
    chosen = Chosen(version=2, package_digest=registry.digests[2], share=0.3)
    beside.choose(store, "tiny", "canary", chosen)
    follow.look()
    follow.look()
    assert caplog.messages.count("tiny version 2 as canary, share 30.0%") == 1


def test_a_canary_and_a_shadow_are_loaded_changed_and_taken_over_by_promotion(registry, follower):
    follow, live, store = follower
    registry.register(1)
    registry.register(2)
    registry.promote(1)
    follow.look()
    chosen = Chosen(version=2, package_digest=registry.digests[2], share=0.3)
    beside.choose(store, "tiny", "canary", chosen)
    follow.look()
    canary = live.canary
    assert (canary.unit.ref.version, canary.share) == (2, 0.3)
    beside.choose(store, "tiny", "shadow", chosen)
    follow.look()
    assert live.shadow.unit is canary.unit
    registry.promote(2)
    beside.choose(store, "tiny", "canary", None)
    follow.look()
    assert live.any() is canary.unit
    assert live.canary is None
