"""The time of the next attempt after a failed one. The worker computes it and sends it with the failure; if the worker
died, the declared backoff of the kind applies.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass

from .duration import Duration, seconds


@dataclass(frozen=True)
class Backoff:
    """`first × factor^(attempt − 1)`, at most `max`, varied by the share `jitter` (0 to 1) to both sides."""

    first: Duration = 1.0
    factor: float = 2.0
    max: Duration = 3600.0
    jitter: float = 0.1

    def __call__(self, attempt: int) -> float:
        """Seconds after the attempt of that ordinal, from 1."""
        try:
            delay = seconds(self.first) * self.factor ** (attempt - 1)
        except OverflowError:
            delay = seconds(self.max)
        return max(0.0, min(delay, seconds(self.max)) * random.uniform(1 - self.jitter, 1 + self.jitter))


AnyBackoff = Backoff | Duration | Callable[[int], Duration]


def delay_after(backoff: AnyBackoff | None, attempt: int) -> float | None:
    """Seconds until the next attempt; None leaves it to the server."""
    if backoff is None:
        return None
    return seconds(backoff(attempt) if callable(backoff) else backoff)


def declared_backoff(backoff: AnyBackoff | None) -> dict[str, float] | None:
    """The backoff as the rules of a kind have it; None for one that only the worker can work out."""
    if isinstance(backoff, Backoff):
        if backoff.factor < 1 or not 0 <= backoff.jitter <= 1:
            return None
        longest = seconds(backoff.max)
        first = min(seconds(backoff.first), longest)
        return {"first": first, "factor": backoff.factor, "max": longest, "jitter": backoff.jitter}
    if backoff is None or callable(backoff):
        return None
    delay = seconds(backoff)
    return {"first": delay, "factor": 1, "max": delay, "jitter": 0}
