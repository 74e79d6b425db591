"""Durations in the forms that callers use: seconds, a timedelta, or text such as `1h30m`. Must never guess: for a text
that it does not understand, the error lists the accepted forms.
"""

from __future__ import annotations

import re
from datetime import timedelta

Duration = float | int | str | timedelta

_PART = re.compile(r"\s*(\d+(?:\.\d+)?)\s*([a-zA-Z]+)\s*")
_UNITS = {
    1e-3: ("ms", "msec", "millis", "millisecond", "milliseconds"),
    1.0: ("s", "sec", "secs", "second", "seconds"),
    60.0: ("m", "min", "mins", "minute", "minutes"),
    3600.0: ("h", "hr", "hrs", "hour", "hours"),
    86400.0: ("d", "day", "days"),
    604800.0: ("w", "week", "weeks"),
}
_SECONDS = {name: seconds for seconds, names in _UNITS.items() for name in names}


def seconds(value: Duration) -> float:
    """The duration in seconds. Raises ValueError for a text that is none, TypeError for other types."""
    if isinstance(value, timedelta):
        return value.total_seconds()
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        raise TypeError(f"{value!r} is not a duration: give seconds, a timedelta, or text such as '1h30m'")
    if not isinstance(value, str):
        return float(value)
    total, end = 0.0, 0
    for part in _PART.finditer(value):
        if part.start() != end or part[2] not in _SECONDS:
            break
        total, end = total + float(part[1]) * _SECONDS[part[2]], part.end()
    if end == 0 or end != len(value):
        raise ValueError(f"{value!r} is not a duration: write it as in '30s', '1h30m' or '2 days'")
    return total


def optional_seconds(value: Duration | None) -> float | None:
    """As `seconds`; None stays None."""
    return None if value is None else seconds(value)
