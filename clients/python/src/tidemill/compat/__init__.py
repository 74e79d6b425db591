"""The names of four older systems that ran on Celery and Redis, so that their programs run with other imports and nothing
else: a task manager with its monitor and configuration, sessions of crawls, and the tasks of an agent. New programs take
`tidemill.task`.
"""
