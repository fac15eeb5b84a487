"""What the service counts, for Prometheus; every label has a bounded set of values."""

from collections.abc import Iterable
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from components.model.subsets import subset_key

if TYPE_CHECKING:
    from components.prediction.collection import Collection

_SUBSETS = 64
"""Different subsets of modalities that are told apart; further ones are counted as `other`."""
_SECONDS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0)
_ROWS = (1, 2, 4, 8, 16, 32, 64, 128, 256)


class Metrics:
    """The counters of one process, in a registry of their own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.requests = Counter(
            "concord_requests", "Requests.", ["path", "status"], registry=self.registry
        )
        self.seconds = Histogram(
            "concord_request_seconds",
            "Seconds from the whole request to its answer.",
            ["path"],
            buckets=_SECONDS,
            registry=self.registry,
        )
        self.rows = Histogram(
            "concord_batch_records", "Records in a batch.", buckets=_ROWS, registry=self.registry
        )
        self.waited = Histogram(
            "concord_queue_seconds",
            "Seconds that the first request of a batch waited.",
            buckets=_SECONDS,
            registry=self.registry,
        )
        self.abstained = Counter(
            "concord_abstained", "Answers that are but a guess.", registry=self.registry
        )
        self.version = Gauge(
            "concord_version", "Version that is served.", ["role"], registry=self.registry
        )
        self.recall = Gauge(
            "concord_search_recall",
            "Share of the true records that searches found; some are repeated exactly.",
            registry=self.registry,
        )
        self.records = Gauge(
            "concord_index_records", "Records that can be found.", registry=self.registry
        )
        self.applied = Gauge(
            "concord_journal_applied",
            "Number of the last write of the journal that the index has.",
            registry=self.registry,
        )
        self.skipped = Gauge(
            "concord_records_skipped",
            "Written records that the model which serves cannot read.",
            registry=self.registry,
        )
        self.shadowed = Counter(
            "concord_shadow_answers",
            "Requests that a shadow answered too, by whether its answer is the same.",
            ["same"],
            registry=self.registry,
        )
        self.unlogged = Counter(
            "concord_unlogged_answers",
            "Answers that the log had no room for.",
            registry=self.registry,
        )
        self.feedback = Counter(
            "concord_feedback", "Feedback that was stored.", ["kind"], registry=self.registry
        )
        self.denied = Counter(
            "concord_denied",
            "Requests of those who may not ask.",
            ["status"],
            registry=self.registry,
        )
        self.swaps = Counter(
            "concord_swaps", "Versions that began to serve.", registry=self.registry
        )
        self.refused = Counter(
            "concord_refused_versions", "Versions that could not be served.", registry=self.registry
        )
        self._modalities = Counter(
            "concord_modalities", "Records by what they have.", ["subset"], registry=self.registry
        )
        self._known: set[str] = set()

    def batch(self, rows: int, waited: float) -> None:
        """Count a batch of rows whose first one waited for seconds."""
        self.rows.observe(rows)
        self.waited.observe(waited)

    def record(self, modalities: Iterable[str], abstained: bool) -> None:
        """Count an answered record by the modalities that it has."""
        key = subset_key(list(modalities))
        if key not in self._known and len(self._known) >= _SUBSETS:
            key = "other"
        self._known.add(key)
        self._modalities.labels(key).inc()
        if abstained:
            self.abstained.inc()

    def index(self, collection: "Collection") -> None:
        """Record the index that serves from now on."""
        self.records.set_function(lambda: len(collection))
        self.applied.set_function(lambda: collection.applied)
        self.skipped.set_function(lambda: collection.skipped)

    def text(self) -> bytes:
        """All of them in Prometheus's text format."""
        return generate_latest(self.registry)
