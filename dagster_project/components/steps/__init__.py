"""The steps of a run, composed from the rooms below; nothing here imports Dagster.

A Dagster asset calls a step, and so does the command that does one thing alone: there is one
pipeline. A step takes instants from ``clock`` and hands them down.
"""
