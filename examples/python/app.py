"""A FastAPI application with background work: a request answers at once, and the browser follows the job.

    pip install ./clients/python fastapi uvicorn
    cd examples/python
    tidemill-worker tasks &
    uvicorn app:app --port 8000
    curl -X POST localhost:8000/reports -H 'Content-Type: application/json' -d '{"customer": "ada"}'

The server and the key come from TIDEMILL_URL and TIDEMILL_KEY.
"""

import json
from collections.abc import AsyncIterator

from fastapi import FastAPI, HTTPException
from fastapi.responses import StreamingResponse
from pydantic import BaseModel
from tasks import report

import tidemill

app = FastAPI()
client = tidemill.AsyncClient()


class ReportRequest(BaseModel):
    """Whose report."""

    customer: str
    pages: int = 3


@app.post("/reports", status_code=202)
async def request_report(request: ReportRequest) -> dict[str, str]:
    """Enqueues it; a customer has one at a time."""
    job = report.with_options(unique=f"report:{request.customer}")
    handle = await job.submit(request.customer, request.pages)
    return {"id": handle.id}


@app.get("/reports/{id}")
async def show_report(id: str) -> dict[str, object]:
    """How it stands."""
    try:
        job = await client.get(id)
    except tidemill.errors.JobNotFound as error:
        raise HTTPException(404, error.detail) from error
    percent = job.progress.percent if job.progress else None
    return {"status": job.status, "percent": percent, "result": job.result, "error": job.error}


@app.delete("/reports/{id}")
async def drop_report(id: str) -> dict[str, str]:
    """Cancels it."""
    return {"status": (await client.cancel(id)).status}


@app.get("/reports/{id}/events")
async def follow_report(id: str) -> StreamingResponse:
    """Server-sent events for the browser, so that it needs no key of the job server."""

    async def frames() -> AsyncIterator[str]:
        async for event in client.events(id):
            yield f"event: {event.type}\ndata: {json.dumps(event.data)}\n\n"

    return StreamingResponse(frames(), media_type="text/event-stream")
