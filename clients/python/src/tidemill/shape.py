"""Fills dataclasses from JSON by their type hints: times become datetimes, objects become the named dataclass. Must
never fail on a field that a newer server adds, nor on one that an older server does not send yet.
"""

from __future__ import annotations

import dataclasses
import types
import typing
from collections.abc import Callable, Mapping
from datetime import datetime
from functools import cache
from typing import Any, TypeVar

T = TypeVar("T")

Reader = Callable[[Any], Any]


def time_of(text: str) -> datetime:
    """An RFC 3339 time of the server."""
    # Python 3.10 does not read a Z.
    return datetime.fromisoformat(text.replace("Z", "+00:00"))


@cache
def _plan(cls: Any) -> list[tuple[str, bool, Reader | None]]:
    """Each field's name, whether it has a default, and how it is read."""
    hints = typing.get_type_hints(cls, include_extras=True)
    return [
        (field.name, field.default is not dataclasses.MISSING, _reader(hints[field.name]))
        for field in dataclasses.fields(cls)
    ]


def _reader(hint: Any) -> Reader | None:
    """How a value of that type is read; None if it stays as it is."""
    origin, inner = typing.get_origin(hint), typing.get_args(hint)
    if origin is typing.Annotated:
        return typing.cast(Reader, inner[1])
    if origin in (types.UnionType, typing.Union):
        rest = [one for one in inner if one is not types.NoneType]
        return _reader(rest[0]) if len(rest) == 1 else None
    if origin is list and (item := _reader(inner[0])) is not None:
        return lambda values: [item(value) for value in values]
    if hint is datetime:
        return time_of
    if dataclasses.is_dataclass(hint):
        return lambda value: build(typing.cast("type[Any]", hint), value)
    return None


def build(cls: type[T], document: Mapping[str, Any]) -> T:
    """The dataclass with the fields of the JSON object; what is absent is None, or the field's default."""
    values: dict[str, Any] = {}
    for name, has_default, read in _plan(typing.cast(Any, cls)):
        value = document.get(name)
        if value is not None:
            values[name] = value if read is None else read(value)
        elif not has_default:
            values[name] = None
    return cls(**values)
