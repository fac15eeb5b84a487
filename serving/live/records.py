"""The records that users write: one journal for all units of a process, and for other replicas.

A write is committed, applied by the unit that took it and by every other one of this process, and
only then acknowledged; so that whoever wrote it finds it, also where another version begins to
answer in between. Other replicas' writes are applied within half a second.
"""

import logging
import threading
from collections.abc import Sequence
from typing import TYPE_CHECKING
from weakref import WeakSet

if TYPE_CHECKING:
    from components.prediction.collection import Collection
    from components.prediction.journal import Journal, Write
    from components.prediction.prediction import Prediction

POLL_SECONDS = 0.5
"""Time between two looks at the journal."""
_COMPACT_SECONDS = 3600.0
_log = logging.getLogger("concord.serving")


class Records:
    """Keeps the collections of a process at the end of the journal.

    Args:
        journal: the writes.

    Attributes:
        journal: the writes.
        acknowledged: how many writes were.
    """

    def __init__(self, journal: "Journal") -> None:
        self.journal, self.acknowledged = journal, 0
        self._collections: WeakSet[Collection] = WeakSet()
        self._changing, self._stop = threading.Lock(), threading.Event()

    def follow(self, collection: "Collection") -> None:
        """Apply all writes, and from then on each one before it is acknowledged."""
        collection.apply()  # nobody waits for what takes long
        with self._changing:
            self._collections.add(collection)
        collection.apply()

    def write(
        self,
        collection: "Collection",
        writes: "Sequence[Write]",
        places: Sequence[str],
        answers: "Sequence[Prediction]",
    ) -> int:
        """Commit writes and apply them everywhere in this process; the number of the last one.

        Args:
            collection: of the unit that took the request.
            writes: records of distinct ids.
            places: path of each record in the request, for errors.
            answers: predictions of the unit's model for each record that is not deleted.

        Raises:
            BadInput: a value that the model cannot read, or an unknown label; nothing is written.
            UserError: the journal cannot be written.
        """
        number = collection.write(writes, places, answers)
        for other in self._followed() - {collection}:
            self._caught_up(other, number)
        self.acknowledged += len(writes)
        return number

    def start(self) -> None:
        """Apply what other replicas write, in a thread."""
        threading.Thread(target=self._run, name="concord-records", daemon=True).start()

    def stop(self) -> None:
        """End it after the look that it is at."""
        self._stop.set()

    def look(self) -> None:
        """Apply what came since."""
        for collection in self._followed():
            self._caught_up(collection, None)

    def _followed(self) -> "set[Collection]":
        with self._changing:
            return set(self._collections)

    def _caught_up(self, collection: "Collection", number: int | None) -> None:
        try:
            collection.apply(number)
        except Exception:  # the database is away for a while; the next look tries again
            _log.exception("cannot apply the journal of records")

    def _run(self) -> None:
        waited = 0.0
        while not self._stop.wait(POLL_SECONDS):
            self.look()
            waited += POLL_SECONDS
            if waited >= _COMPACT_SECONDS:
                waited = 0.0
                self._compact()

    def _compact(self) -> None:
        try:
            self.journal.compact([collection.digest for collection in self._followed()])
        except Exception:
            _log.exception("cannot compact the journal of records")
