"""The shop's background work, by Django's own decorator. `manage.py tidemill_worker` runs it."""

from django.tasks import task

import tidemill

from .models import Order


@task(max_attempts=5, backoff="2s", soft_timeout="1m", unique="invoice:{order}")
def write_invoice(order: int) -> str:
    """Writes the invoice of an order, once: a second run finds it."""
    found = Order.objects.get(id=order)
    if not found.invoice:
        tidemill.current().progress(50, "writing")
        found.invoice = f"Invoice {order}: {found.customer} owes {found.amount}"
        found.save()
        send_mail.enqueue(found.customer, found.invoice)
    return found.invoice


@task(queue_name="mails", takes_context=True, max_attempts=10)
def send_mail(context, to: str, text: str) -> None:
    """Pretends to send a mail; the line is in the job's log."""
    print(f"to {to}, attempt {context.attempt}: {text}")
