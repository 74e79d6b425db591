"""The names of four older systems that ran on Celery and Redis, so that their programs work after a change of imports:
a task manager with its monitor and configuration, sessions of crawls, and the tasks of an agent. New programs use
`tidemill.task`.
"""
