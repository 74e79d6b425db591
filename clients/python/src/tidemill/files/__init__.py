"""Files of jobs: `download` fetches the files of a job, `kept` reads the files that a task stores. Must never hold a
whole file in memory.
"""
