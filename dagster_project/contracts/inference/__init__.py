"""A look at a table -> the draft of its contract: types, key, formats, code lists, levels.

Pure: profiles come in (``profiles``), words of a contract with their reasons go out. Counting cells
is ``components.steps.describing.profiling``'s work, files and lakes are not known here.
"""

from dagster_project.contracts.inference.dictionary import Dictionary
from dagster_project.contracts.inference.guess import Draft, Guess
from dagster_project.contracts.inference.infer import inferred, loosened
from dagster_project.contracts.inference.profiles import TableProfile
from dagster_project.contracts.inference.vocabulary import Vocabulary
from dagster_project.contracts.inference.write import Heading, contract

__all__ = [
    "Dictionary",
    "Draft",
    "Guess",
    "Heading",
    "TableProfile",
    "Vocabulary",
    "contract",
    "inferred",
    "loosened",
]
