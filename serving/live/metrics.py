"""What the service counts, for Prometheus; every label has a bounded set of values."""

from collections.abc import Iterable
from functools import partial
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
        self.registry = registry = CollectorRegistry()
        counter, gauge = partial(Counter, registry=registry), partial(Gauge, registry=registry)
        histogram = partial(Histogram, registry=registry)

        self.requests = counter("concord_requests", "Requests.", ["path", "status"])
        told = "Seconds from the whole request to its answer."
        self.seconds = histogram("concord_request_seconds", told, ["path"], buckets=_SECONDS)
        self.rows = histogram("concord_batch_records", "Records in a batch.", buckets=_ROWS)
        told = "Seconds that the first request of a batch waited."
        self.waited = histogram("concord_queue_seconds", told, buckets=_SECONDS)
        self.abstained = counter("concord_abstained", "Answers that are but a guess.")
        told = "Records by what they have."
        self._modalities = counter("concord_modalities", told, ["subset"])

        told = "Share of the true records that searches found; some are repeated exactly."
        self.recall = gauge("concord_search_recall", told)
        self.records = gauge("concord_index_records", "Records that can be found.")
        told = "Number of the last write of the journal that the index has."
        self.applied = gauge("concord_journal_applied", told)
        told = "Written records that the model which serves cannot read."
        self.skipped = gauge("concord_records_skipped", told)

        self.version = gauge("concord_version", "Version that is served.", ["role"])
        self.swaps = counter("concord_swaps", "Versions that began to serve.")
        told = "Versions that could not be served."
        self.refused = counter("concord_refused_versions", told)
        told = "Requests that a shadow answered too, by whether its answer is the same."
        self.shadowed = counter("concord_shadow_answers", told, ["same"])

        told = "Answers that the log had no room for."
        self.unlogged = counter("concord_unlogged_answers", told)
        self.feedback = counter("concord_feedback", "Feedback that was stored.", ["kind"])
        told = "Requests of those who may not ask."
        self.denied = counter("concord_denied", told, ["status"])
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
