"""``site.yaml`` and the commands that write it: a wrong value is named, with its file."""

from __future__ import annotations

from pathlib import Path

import pytest

from dagster_project.errors import UsageError
from dagster_project.paths import Home
from dagster_project.settings import load_site


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("code: '14032'\nname: 平定县\n", "code: "),
        ("code: '140321'\nname: 平定县\ninbax: in\n", "inbax: "),
        ("code: [\n", "not valid YAML"),
        ("", "not valid"),
    ],
)
def test_a_wrong_description_names_the_word(tmp_path: Path, text: str, says: str) -> None:
    """Which word of which file, and never a traceback."""
    home = Home(tmp_path)
    home.site_file.write_text(text, "utf-8")
    with pytest.raises(UsageError, match=f"site.yaml: .*{says}"):
        load_site(home)
