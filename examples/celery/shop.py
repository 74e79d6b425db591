"""A Celery application as it is anywhere: only the two addresses name Tidemill. `README.md` says how it is run."""

from __future__ import annotations

import time

from celery import Celery, Task, chord
from celery.schedules import crontab

app = Celery("shop", broker="tidemill://localhost:8080", backend="tidemill://localhost:8080")
app.conf.update(
    task_acks_late=True,
    beat_schedule={"report": {"task": "shop.report", "schedule": crontab(hour=4, minute=30), "args": (3,)}},
)


@app.task(bind=True, autoretry_for=(OSError,), retry_backoff=True, max_retries=5)
def resize(self: Task, name: str, width: int = 100) -> str:
    """Works for a second, and says how far it is."""
    for part in range(4):
        self.update_state(state="PROGRESS", meta={"current": part, "total": 4, "status": f"resizing {name}"})
        time.sleep(0.25)
    return f"{name} at {width}"


@app.task
def album(pictures: list[str]) -> str:
    """What comes after all of them."""
    return f"an album of {len(pictures)}"


@app.task
def report(pictures: int) -> str:
    """Enqueues a chord, as a task does."""
    names = [f"{number}.png" for number in range(pictures)]
    return str(chord((resize.s(name) for name in names), album.s()).delay().id)


if __name__ == "__main__":
    print(resize.delay("cat.png", width=300).get(timeout=60))
    print(chord((resize.s(f"{number}.png") for number in range(3)), album.s()).delay().get(timeout=60))
