"""A unit that takes writes, tells each one that it has acknowledged, and is killed."""

import sys
from pathlib import Path

from components.prediction.journal import Write
from components.prediction.predictor import Predictor
from serving.live.records import Records
from serving.store.database import Database
from serving.store.journal import RecordsJournal


def main(package: str, place: str, begin: int) -> None:
    """Write for ever; a line is the id and the text of an acknowledged write."""
    records = Records(RecordsJournal(Database(Path(place)), "tiny"))
    collection = Predictor.load(Path(package), verify=False, journal=records.journal).collection
    records.follow(collection)
    step = begin
    while True:
        record, text = f"r000{step % 7}", f"ring {step}"
        gone = step % 5 == 4
        write = Write(id=record, record=None if gone else {"text": text})
        collection.write([write], ["record"])
        sys.stdout.write(f"{record} {'' if gone else text}\n")
        sys.stdout.flush()
        step += 1


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
