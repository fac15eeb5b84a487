"""A process that writes records into a journal, tells each number it was given, and is killed."""

import sys
from pathlib import Path

from components.prediction.journal import Made, Write
from serving.store.database import Database
from serving.store.journal import RecordsJournal


def main(place: str) -> None:
    """Write for ever; a line is the number, id and text of an acknowledged write."""
    journal = RecordsJournal(Database(place if "://" in place else Path(place)), "shapes")
    step = 0
    while True:
        record, deleted = f"r{step % 7}", step % 5 == 4
        text = f"ring {step}" if not deleted else ""
        write = Write(id=record, record=None if deleted else {"text": text, "image": b"x" * step})
        number = journal.append([write], Made(digest="d", contents=[b"made"]))
        sys.stdout.write(f"{number} {record} {text}\n")
        sys.stdout.flush()
        step += 1


if __name__ == "__main__":
    main(sys.argv[1])
