"""The application; it writes down what the signals tell."""

from django.apps import AppConfig


class ShopConfig(AppConfig):
    """The shop."""

    name = "project.shop"
    label = "test_shop"

    def ready(self) -> None:
        """Hears the signals."""
        from tidemill.django.contract import task_enqueued, task_finished, task_started

        from .models import Told

        for word, signal in (("enqueued", task_enqueued), ("started", task_started), ("finished", task_finished)):

            def hear(sender, task_result, word=word, **_):
                Told.objects.create(task=task_result.id, word=word, sender=sender.__name__, status=task_result.status)

            signal.connect(hear, weak=False)
