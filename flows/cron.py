"""Cron expressions, checked before the scheduler is started.

Source: https://pubs.opengroup.org/onlinepubs/9799919799/utilities/crontab.html, with the names and
steps that schedulers add.
"""

import re

_MONTHS = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"]
_DAYS = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"]
_FIELDS: tuple[tuple[str, int, int, list[str]], ...] = (
    ("minute", 0, 59, []),
    ("hour", 0, 23, []),
    ("day of the month", 1, 31, []),
    ("month", 1, 12, _MONTHS),
    ("day of the week", 0, 7, _DAYS),
)
_PART = re.compile(r"(?:\*|(\w+)(?:-(\w+))?)(?:/([0-9]{1,4}))?")


def mistake(times: str) -> str | None:
    """What is wrong with a cron expression of five fields; None if nothing is.

    >>> mistake("*/15 6-20 * * mon-fri")
    >>> mistake("0 25 * * *")
    "hour: got '25', wanted 0 to 23, or *"
    """
    fields = times.split()
    if len(fields) != len(_FIELDS):
        names = ", ".join(name for name, *_ in _FIELDS)
        return f"got {len(fields)} fields, wanted 5 ({names}), for example '0 3 * * *'"
    for given, (name, low, high, words) in zip(fields, _FIELDS, strict=True):
        for part in given.lower().split(","):
            if not _fits(part, low, high, words):
                return f"{name}: got {part!r}, wanted {low} to {high}, or *"
    return None


def _fits(part: str, low: int, high: int, words: list[str]) -> bool:
    found = _PART.fullmatch(part)
    if found is None or (found[3] is not None and int(found[3]) == 0):
        return False
    ends = [_number(end, low, words) for end in (found[1], found[2]) if end is not None]
    return all(end is not None and low <= end <= high for end in ends) and (
        len(ends) < 2 or ends == sorted(ends, key=lambda end: end or 0)
    )


def _number(text: str, low: int, words: list[str]) -> int | None:
    if text in words:
        return words.index(text) + low
    return int(text) if re.fullmatch(r"[0-9]{1,2}", text) else None
