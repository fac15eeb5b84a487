"""A journal in memory, as simple as can be."""

from components.prediction.journal import Entry


class MemoryJournal:
    """Writes in a list; what models made of them can be dropped to see that it is made again."""

    def __init__(self):
        self.rows, self.kept = [], {}

    def append(self, writes, made=None):
        first = len(self.rows) + 1
        self.rows += writes
        if made:
            found = dict(enumerate(made.contents, start=first))
            self.keep(made.digest, {n: content for n, content in found.items() if content})
        return len(self.rows)

    def last(self):
        return len(self.rows)

    def after(self, number, limit):
        return [
            Entry(number=n, id=self.rows[n - 1].id, deleted=self.rows[n - 1].record is None)
            for n in range(number + 1, min(len(self.rows), number + limit) + 1)
        ]

    def written(self, numbers):
        return {n: self.rows[n - 1] for n in numbers}

    def made(self, digest, numbers):
        return {n: self.kept[digest, n] for n in numbers if (digest, n) in self.kept}

    def keep(self, digest, made):
        self.kept |= {(digest, n): content for n, content in made.items()}

    def compact(self, packages):
        raise NotImplementedError
