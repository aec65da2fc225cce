"""Titles of strangers' files as they are written into contracts."""

from __future__ import annotations

import pytest

from dagster_project.contracts.amend import quoted
from dagster_project.errors import ContractError


@pytest.mark.parametrize("title", ["姓\x07名", "a\x1b[31m", "\u202e名姓", "a\u2028b", "\ud800"])
def test_unseen_characters_enter_no_contract(title: str) -> None:
    """Such a title is refused in a sentence: YAML could not be read, or a person be deceived."""
    with pytest.raises(ContractError, match="control characters"):
        quoted(title)
