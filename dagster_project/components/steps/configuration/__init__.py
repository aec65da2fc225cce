"""How a site is set up: every value with its source, and everything that is wrong with it."""

from dagster_project.components.steps.configuration.check import Place, check, place_of
from dagster_project.components.steps.configuration.fault import GROUPS, OF_CONTRACTS, Fault
from dagster_project.components.steps.configuration.shown import Word, words

__all__ = ["GROUPS", "OF_CONTRACTS", "Fault", "Place", "Word", "check", "place_of", "words"]
