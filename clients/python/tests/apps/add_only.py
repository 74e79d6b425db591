"""A worker that serves one kind."""

import tidemill

app = tidemill.App()


@tidemill.task("only.add")
def add(a: int, b: int) -> int:
    return a + b
