"""Numbers as people read them."""

_UNITS = ("B", "KB", "MB", "GB", "TB", "PB")


def bytes_said(count: float) -> str:
    """Bytes with three digits, in powers of a thousand.

    >>> bytes_said(1536), bytes_said(2_500_000), bytes_said(7)
    ('1.54 KB', '2.5 MB', '7 B')
    """
    unit = 0
    while count >= 999.5 and unit + 1 < len(_UNITS):
        count, unit = count / 1000, unit + 1
    return f"{count:.3g} {_UNITS[unit]}"


def time_said(seconds: float) -> str:
    """A duration in its largest fitting unit.

    >>> time_said(0.25), time_said(90), time_said(7200), time_said(864000), time_said(1e9)
    ('0.25 s', '90 s', '2 h', '10 days', '31.7 years')
    """
    for size, name in ((365.25 * 86400, "years"), (2 * 86400, "days"), (3600, "h"), (180, "min")):
        if seconds >= size:
            divisor = {"years": 365.25 * 86400, "days": 86400.0, "h": 3600.0, "min": 60.0}[name]
            return f"{seconds / divisor:.3g} {name}"
    return f"{seconds:.2g} s" if seconds < 10 else f"{seconds:.0f} s"


def count_said(count: float) -> str:
    """A count with separators, or as a power of ten's multiple where it is long.

    >>> count_said(5810), count_said(1_000_000), count_said(123_456_789_012)
    ('5,810', '1,000,000', '1.23e+11')
    """
    return f"{count:,.0f}" if count < 1e11 else f"{count:.3g}"
