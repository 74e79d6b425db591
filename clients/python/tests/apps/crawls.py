"""A crawl of a team's own, whose session is its job."""

from tidemill import task
from tidemill.compat.sessions import SessionManager


@task("own.crawl", queue="own-crawl")
def crawl(session_id: str, pages: int) -> int:
    for page in range(1, pages + 1):
        SessionManager().update_session_state(session_id, pages_crawled=page, bugs_found=page // 3)
    return pages
