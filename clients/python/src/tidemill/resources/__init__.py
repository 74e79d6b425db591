"""The methods of the clients by resource: `client.queues.pause("mails")`; for threads and for asyncio. Each sends one
call of `calls`.
"""
