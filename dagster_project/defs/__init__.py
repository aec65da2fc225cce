"""Dagster instances of the county, autoloaded; no helpers in here."""
