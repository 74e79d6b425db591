"""Checks whether JSON comes back from Postgres unchanged. `jsonb` stores values, not their text: 1e16 comes back as an
integer, and the keys of an object in another order. A value that would not come back the same to Python is stored as
text instead.
"""

from __future__ import annotations

import base64
import json
import math
import zlib
from collections.abc import Iterable
from typing import Any

_DEEPEST = 60
# The server takes results, steps and args up to 1 MiB.
_LARGE = 900_000


def is_exact(value: Any, in_order: bool = True, depth: int = 0) -> bool:
    """True for plain JSON that jsonb gives back as it is; `in_order` asks for the order of keys as well."""
    kind = type(value)
    if kind is str:
        return _is_text(value)
    if value is None or kind is bool:
        return True
    if kind is int:
        return bool(-(2**63) <= value < 2**63)
    if kind is float:
        # From 1e16 on, and below 1e-4, Python writes an exponent; jsonb writes digits, which may read as an integer.
        return math.isfinite(value) and ((value == 0.0 and math.copysign(1, value) > 0) or 1e-4 <= abs(value) < 1e16)
    if depth > _DEEPEST:
        return False
    if kind is dict:
        if not _are_keys(value, in_order):
            return False
        value = value.values()
    elif kind is not list and kind is not tuple:
        return False
    for item in value:
        # It is asked for each message: most of what is in one needs no look of its own.
        if item is None or (type(item) is str and item.isascii() and "\x00" not in item):
            continue
        if not is_exact(item, in_order, depth + 1):
            return False
    return True


def _is_text(value: str) -> bool:
    if "\x00" in value:
        return False
    if value.isascii():
        return True
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


def _are_keys(keys: Iterable[Any], in_order: bool) -> bool:
    """Whether the keys are texts, and in jsonb's order: short ones first, then by their bytes."""
    before: tuple[int, Any] = (-1, "")
    for key in keys:
        if type(key) is not str or not _is_text(key):
            return False
        if in_order:
            place: tuple[int, Any] = (len(key.encode()), key.encode())
            if before[0] >= 0 and place < before:
                return False
            before = place
    return True


def pack(text: str | bytes, key: str = "text") -> dict[str, str]:
    """Text or bytes as JSON that is exact: as text, as base64, or compressed where it is large."""
    raw = text.encode("utf-8", "surrogatepass") if isinstance(text, str) else text
    if len(raw) > _LARGE:
        kind = "zlib" if isinstance(text, str) else "zlib-bytes"
        return {kind: base64.b64encode(zlib.compress(raw, 6)).decode()}
    if isinstance(text, str) and _is_text(text):
        return {key: text}
    kind = "utf8" if isinstance(text, str) else "bytes"
    return {kind: base64.b64encode(raw).decode()}


def unpack(packed: dict[str, str], key: str = "text") -> str | bytes:
    """What was packed."""
    if key in packed:
        return packed[key]
    for kind in ("utf8", "bytes", "zlib", "zlib-bytes"):
        if kind in packed:
            raw = base64.b64decode(packed[kind])
            raw = zlib.decompress(raw) if kind.startswith("zlib") else raw
            return raw if kind.endswith("bytes") else raw.decode("utf-8", "surrogatepass")
    raise ValueError(f"nothing is packed in {', '.join(packed) or 'an empty object'}")


def parsed(text: str | bytes) -> Any | None:
    """The JSON of a text if Postgres takes it, be it in another order; else None (no text of ours is `null`)."""
    if len(text) > _LARGE:
        return None
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return value if is_exact(value, in_order=False) else None
