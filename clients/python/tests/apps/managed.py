"""A task manager whose tasks run in workers elsewhere: `tidemill-worker managed:task_manager.app`."""

from tidemill.compat.background import BackgroundTaskManager

QUEUE = "managed"
task_manager = BackgroundTaskManager("celery", queue=QUEUE)


@task_manager.register
def add(a: int, b: int) -> int:
    return a + b
