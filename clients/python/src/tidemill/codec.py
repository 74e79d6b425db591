"""JSON in kombu's format, so that Python's own types are preserved in args, results and steps: a datetime is
`{"__type__": "datetime", "__value__": "2026-…"}`. Sets and timedeltas, which kombu refuses, are written in the same
form. Must never fail on JSON from other programs: an object that only looks like such a form is left unchanged.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Callable
from datetime import date, datetime, time, timedelta
from decimal import Decimal, InvalidOperation
from typing import Any
from uuid import UUID

_FORM = {"__type__", "__value__"}


def _bytes_form(value: bytes) -> tuple[str, Any]:
    try:
        return "bytes", value.decode("utf-8")
    except UnicodeDecodeError:
        return "base64", base64.b64encode(value).decode("ascii")


def _ordered(values: set[Any] | frozenset[Any]) -> list[Any]:
    # In one order, so that jobs that are unique by their args are.
    try:
        return sorted(values)
    except TypeError:
        return sorted(values, key=repr)


# A datetime is a date, so the order counts.
_WRITERS: list[tuple[type, Callable[[Any], tuple[str, Any]]]] = [
    (datetime, lambda value: ("datetime", value.isoformat())),
    (date, lambda value: ("date", value.isoformat())),
    (time, lambda value: ("time", value.isoformat())),
    (timedelta, lambda value: ("timedelta", value.total_seconds())),
    (Decimal, lambda value: ("decimal", str(value))),
    (UUID, lambda value: ("uuid", {"hex": value.hex})),
    (bytes, _bytes_form),
    (set, lambda value: ("set", _ordered(value))),
    (frozenset, lambda value: ("frozenset", _ordered(value))),
]

_READERS: dict[str, Callable[[Any], Any]] = {
    "datetime": datetime.fromisoformat,
    "date": lambda text: datetime.fromisoformat(text).date(),
    "time": time.fromisoformat,
    "timedelta": lambda seconds: timedelta(seconds=seconds),
    "decimal": Decimal,
    "uuid": lambda parts: UUID(**parts),
    "bytes": lambda text: text.encode("utf-8"),
    "base64": lambda text: base64.b64decode(text, validate=True),
    "set": set,
    "frozenset": frozenset,
}


def _default(value: Any) -> Any:
    reducer = getattr(value, "__json__", None)
    if reducer is not None:
        return reducer()
    for cls, write in _WRITERS:
        if isinstance(value, cls):
            name, text = write(value)
            return {"__type__": name, "__value__": text}
    raise TypeError(
        f"{type(value).__name__} cannot be written as JSON: pass plain values, "
        "or give the class a method __json__ that answers some"
    )


_ENCODER = json.JSONEncoder(
    default=_default, allow_nan=False, ensure_ascii=False, separators=(",", ":"), check_circular=True
)


def dumps(value: Any) -> str:
    """The value as JSON text.

    Raises TypeError for what has no form, ValueError for NaN, infinities and circular values.
    """
    return _ENCODER.encode(value)


def encode(value: Any) -> Any:
    """The value as plain JSON values; raises as `dumps`."""
    return json.loads(dumps(value))


def _hook(value: dict[str, Any]) -> Any:
    if value.keys() != _FORM:
        return value
    read = _READERS.get(value["__type__"]) if isinstance(value["__type__"], str) else None
    if read is None:
        return value
    try:
        return read(value["__value__"])
    except (TypeError, ValueError, InvalidOperation, AttributeError, binascii.Error, OverflowError):
        return value


def loads(text: str | bytes) -> Any:
    """The value of a JSON text, with Python's types in it."""
    return json.loads(text, object_hook=_hook)


def decode(value: Any) -> Any:
    """Plain JSON values with Python's types in them."""
    if isinstance(value, dict):
        return _hook({key: decode(item) for key, item in value.items()})
    if isinstance(value, list):
        return [decode(item) for item in value]
    return value
