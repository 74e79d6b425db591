"""Converts a custom state of a task, from `update_state`, into Tidemill's progress: the percentage from its meta if
there is one, the state's name as the step, and the whole meta for callers of the result backend.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .deliveries import shown

_PERCENT = ("percent", "progress", "percentage")
_DONE = ("current", "done", "i", "completed")
_ALL = ("total", "count", "n")
_WORDS = ("description", "status", "message", "step")


def progress_of(state: str, meta: Mapping[str, Any], encoded: str | bytes) -> dict[str, Any]:
    """The fields of a progress report."""
    said = meta.get("result")
    fields: dict[str, Any] = {"step": state, "data": {"celery": shown(state, encoded)}}
    if isinstance(said, Mapping):
        percent = percent_of(said)
        if percent is not None:
            fields["percent"] = percent
        words = next((said[word] for word in _WORDS if isinstance(said.get(word), str) and said[word]), None)
        if words:
            fields["step"] = f"{state}: {words}"[:200]
    return fields


def percent_of(said: Mapping[str, Any]) -> float | None:
    """0 to 100, from `percent`, or from `current` and `total`; None if it has neither."""
    for name in _PERCENT:
        if _is_number(said.get(name)):
            return max(0.0, min(100.0, float(said[name])))
    done = next((said[name] for name in _DONE if _is_number(said.get(name))), None)
    of = next((said[name] for name in _ALL if _is_number(said.get(name))), None)
    if done is None or not of:
        return None
    return max(0.0, min(100.0, 100.0 * float(done) / float(of)))


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)
