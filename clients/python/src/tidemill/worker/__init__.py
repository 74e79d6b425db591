"""The worker: claims jobs over the API, runs their functions in threads, in asyncio or in processes, and reports."""

from .worker import Worker

__all__ = ["Worker"]
