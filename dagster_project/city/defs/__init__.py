"""Dagster instances of the city, autoloaded; no helpers in here."""
