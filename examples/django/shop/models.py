"""The example's rows."""

from django.db import models


class Order(models.Model):
    """An order, and its invoice once it is written; `task` is the id of the task that writes it."""

    customer = models.TextField()
    amount = models.DecimalField(max_digits=12, decimal_places=2)
    invoice = models.TextField(default="")
    task = models.TextField(default="")
