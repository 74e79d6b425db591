"""The application's rows."""

from django.db import models


class Order(models.Model):
    """An order."""

    customer = models.TextField()
    invoiced = models.BooleanField(default=False)


class Told(models.Model):
    """A signal that was sent."""

    task = models.TextField()
    word = models.TextField()
    sender = models.TextField()
    status = models.TextField()
