"""A task outside of a module named tasks; OPTIONS name it."""

from .tasks import task


@task(kind="shop.elsewhere")
def elsewhere():
    """It has a kind of its own name."""
    return "found"
