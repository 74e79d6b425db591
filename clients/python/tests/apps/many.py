"""A program of 150 kinds."""

from collections.abc import Callable

import tidemill


def answers(number: int) -> Callable[[], int]:
    """A function that answers its number."""
    return lambda: number


for each in range(150):
    tidemill.task(f"many.{each}")(answers(each))
