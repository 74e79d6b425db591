"""Django's two backends for tests; their tasks accept the settings of `TidemillTask`. They need no Tidemill."""

from .contract import DummyBackend as DjangosDummy
from .contract import ImmediateBackend as DjangosImmediate
from .task import TidemillTask


class ImmediateBackend(DjangosImmediate):
    """Runs a task where it is enqueued."""

    task_class = TidemillTask


class DummyBackend(DjangosDummy):
    """Keeps what is enqueued in `results`, and runs nothing."""

    task_class = TidemillTask
