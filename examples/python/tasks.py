"""The shop's background work. `tidemill-worker tasks` runs it."""

import time

import tidemill
from tidemill import current


@tidemill.task("shop.report", queue="reports", soft_timeout="5m", hard_timeout="6m", max_attempts=3)
def report(customer: str, pages: int = 3) -> dict[str, object] | None:
    """Writes a report page by page; a page that is written is not written again when the worker dies."""
    job = current()
    written = []
    for page in range(1, pages + 1):
        written.append(job.step(f"page-{page}", write_page, customer, page))
        job.progress(100 * page / pages, f"page {page} of {pages}")
        if job.cancelled():
            return None
    return {"customer": customer, "pages": written}


def write_page(customer: str, page: int) -> str:
    """As slow as the real one."""
    time.sleep(0.1)
    print("wrote page", page)
    return f"{customer}-{page}.html"
