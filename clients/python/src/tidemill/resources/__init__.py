"""The verbs of the clients by what they act on: `client.queues.pause("mails")`; for threads and for asyncio. Each sends
one call of `calls`.
"""
