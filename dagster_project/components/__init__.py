"""Dagster component types, small, and the steps they run.

Instances live in ``defs/``; rooms below know nothing of Dagster. ``steps/`` composes those rooms
and does not import Dagster either, so that the command line can run one step without it.
"""
