"""Files of jobs: `download` fetches those that a job has, `kept` reads those that a task gives it. Must never hold a file
whole.
"""
