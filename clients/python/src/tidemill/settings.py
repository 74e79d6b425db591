"""The URL of the server and the key: the caller's values, otherwise TIDEMILL_URL and TIDEMILL_KEY."""

from __future__ import annotations

import os
from dataclasses import dataclass

DEFAULT_URL = "http://127.0.0.1:8080"


@dataclass(frozen=True)
class Settings:
    """`url` without the path of the API, `key` or None, and the bound of one request in seconds."""

    url: str
    key: str | None
    timeout: float = 30.0

    def headers(self) -> dict[str, str]:
        """The headers of every request."""
        headers = {"User-Agent": "tidemill-python", "Content-Type": "application/json"}
        if self.key:
            headers["Authorization"] = f"Bearer {self.key}"
        return headers


def settings(url: str | None, key: str | None, timeout: float = 30.0) -> Settings:
    """What was given, completed from the environment."""
    url = url or os.environ.get("TIDEMILL_URL") or DEFAULT_URL
    key = key or os.environ.get("TIDEMILL_KEY") or None
    return Settings(url.rstrip("/"), key, timeout)
