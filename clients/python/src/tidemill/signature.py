"""Converts a call's arguments into a JSON object, and back: by the names of the function's parameters, so that people
can read a job's args, and SQL or another language can write them.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any

_VARIOUS = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)


class BadArgs(TypeError):
    """The args do not fit the function's parameters."""


class Signature:
    """The parameters of a function; `skip` leaves out the first ones, which no caller gives."""

    def __init__(self, function: Callable[..., Any], skip: int = 0) -> None:
        parameters = list(inspect.signature(function).parameters.values())[skip:]
        self._signature = inspect.Signature(parameters)
        self._rest = next((p.name for p in parameters if p.kind is p.VAR_POSITIONAL), None)
        self._more = next((p.name for p in parameters if p.kind is p.VAR_KEYWORD), None)
        self._in_order = [p.name for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
        self._positional_only = {p.name for p in parameters if p.kind is p.POSITIONAL_ONLY}
        self._names = {p.name for p in parameters if p.kind not in _VARIOUS}
        self._needed = {p.name for p in parameters if p.kind not in _VARIOUS and p.default is p.empty}

    def to_object(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> dict[str, Any]:
        """The args object of a call. Raises TypeError as the call itself would."""
        bound = dict(self._signature.bind(*args, **kwargs).arguments)
        more = bound.pop(self._more, {}) if self._more else {}
        if self._rest and self._rest in bound:
            bound[self._rest] = list(bound[self._rest])
        return {**more, **bound}

    def to_call(self, given: Mapping[str, Any]) -> tuple[list[Any], dict[str, Any]]:
        """The positional and keyword arguments that the object stands for. Raises BadArgs."""
        named = dict(given)
        rest = named.pop(self._rest, []) if self._rest else []
        missing = sorted(self._needed - named.keys())
        unknown = sorted(named.keys() - self._names) if not self._more else []
        if missing or unknown or not isinstance(rest, list):
            what = [f"{', '.join(missing)} missing"] if missing else []
            what += [f"{', '.join(unknown)} unknown"] if unknown else []
            raise BadArgs(f"the args do not fit {self._signature}: {'; '.join(what) or f'{self._rest} is not a list'}")
        # What stands before *rest goes by position, and so does what can go by no other way.
        by_position = []
        for name in self._in_order:
            if name not in named or not (rest or name in self._positional_only):
                break
            by_position.append(named.pop(name))
        return [*by_position, *rest], named

    def split(self, given: Mapping[str, Any], positional: int) -> tuple[list[Any], dict[str, Any]]:
        """The call that the object was made of, where that many arguments were given by position. Raises nothing."""
        named = dict(given)
        args = [named.pop(name) for name in self._in_order[:positional] if name in named]
        return [*args, *(named.pop(self._rest, []) if self._rest else [])], named
