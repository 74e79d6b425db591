"""Its tasks, by Django's decorator."""

import asyncio
import os
import signal
import sys
import time

import django

if django.VERSION >= (6, 0):
    from django.tasks import task
else:
    from django_tasks import task

import tidemill

from .models import Order


@task
def noop(*args, **kwargs):
    """Does nothing."""


@task()
def calculate(a, b=1, *, c=0):
    """A sum."""
    return a + b + c


@task(queue_name="slow")
async def calculate_async(a, b=1):
    """The same from asyncio."""
    await asyncio.sleep(0)
    return {"sum": a + b, "orders": await Order.objects.acount()}


@task
def invoice(order):
    """Writes an invoice."""
    found = Order.objects.get(id=order)
    found.invoiced = True
    found.save()
    return found.customer


@task(max_attempts=3, backoff="1s", takes_context=True)
def third_time(context, name):
    """Works at the third attempt."""
    if context.attempt < 3:
        raise KeyError(f"attempt {context.attempt}")
    result = context.task_result
    return {
        "name": name, "attempt": context.attempt, "id": result.id, "status": result.status,
        "workers": len(result.worker_ids),
        "errors": [error.exception_class_path for error in result.errors], "args": result.args, "kwargs": result.kwargs,
        "job": tidemill.current().id,
    }  # fmt: skip


@task(max_attempts=1)
def fail(word="no"):
    """Raises."""
    raise ValueError(word)


@task(max_attempts=1)
async def fail_async():
    """Raises."""
    raise ValueError("no")


class Odd(Exception):
    """An exception of the project, with a text of several lines."""


@task(max_attempts=5, permanent=[Odd])
def fail_for_good():
    """Raises what is not tried again."""
    raise Odd("one\ntwo: three")


@task(max_attempts=1)
def exit_worker():
    """Ends what it can."""
    sys.exit(3)


@task(max_attempts=1)
def bad_result():
    """Brings what is no JSON."""
    return object()


@task
def large_result(size):
    """Brings what the server keeps elsewhere."""
    return "x" * size


@task(unique="welcome:{customer}", retain="1h", tags=["mail"])
def welcome(customer):
    """One at a time for a customer."""


@task(pool="processes", max_attempts=2, backoff="0s")
def crash_once(mark):
    """Its process dies at the first attempt."""
    if not os.path.exists(mark):
        with open(mark, "w"):
            os.kill(os.getpid(), signal.SIGKILL)
    return Order.objects.filter(id=-1).count()


@task(soft_timeout="3s", hard_timeout="30s", max_attempts=1)
def too_long():
    """Is stopped by its soft timeout."""
    while True:
        time.sleep(0.05)


@task
def until_cancelled():
    """Runs until it is cancelled."""
    while not tidemill.current().cancelled():
        time.sleep(0.05)


@task(queue_name="quiet", takes_context=True, concurrency_key="account:{account}", fair_key="{account}")
def quiet(context, account):
    """In a queue that no worker of the tests serves."""


@task
def report():
    """Tells how far it is."""
    tidemill.current().progress(50, "half")
    print("printed")
    return "told"
