"""What must never stand in the repository."""

from __future__ import annotations

import re
import subprocess

import pytest

from dagster_project.paths import PROJECT

GENERATED = {"uv.lock"}
TRACKED = [
    name
    for name in subprocess.run(
        ["git", "ls-files", "-z"], cwd=PROJECT, capture_output=True, text=True, check=False
    ).stdout.split("\0")
    if name.endswith((".py", ".md", ".toml", ".yaml", ".yml", ".sql", ".csv", ".json", "Makefile"))
    and name not in GENERATED
]
# Identifiers of standards and licences; none of them is ever fetched.
NAMED_HOSTS = (
    r"127\.0\.0\.1|localhost|json-schema\.org|datapackage\.org|openlineage\.io|in-toto\.io"
    r"|schemas\.openxmlformats\.org|github\.com/OpenLineage|github\.com/Vonng|creativecommons\.org|bitol\.io|w3\.org|purl\.org|xmlns\.com|example"
)
FORBIDDEN = {
    "an address of the internet": re.compile(
        rf"https?://(?!(?:[\w.-]+\.)?(?:{NAMED_HOSTS}))[\w.-]+"
    ),
    "a machine's path": re.compile(r"/(?:work|root|home/\w+)/(?:main|shared|\.)"),
    "an open end": re.compile(r"\b(?:TODO|FIXME|XXX|HACK)\b"),
}


@pytest.mark.skipif(not TRACKED, reason="not a git checkout: there is no list of files to read")
@pytest.mark.parametrize("what", FORBIDDEN)
def test_no_file_holds(what: str) -> None:
    """No tracked text file names a foreign address, a machine's path, or an open end."""
    hits = []
    for name in TRACKED:
        if name == "tests/house/test_words.py":
            continue
        text = (PROJECT / name).read_text(encoding="utf-8", errors="ignore")
        hits += [f"{name}: {m.group(0)}" for m in FORBIDDEN[what].finditer(text)]
    assert hits == []


def test_every_ignore_and_bound_has_its_reason() -> None:
    """Each dependency and each lint exception in pyproject.toml stands beside a reason."""
    lines = (PROJECT / "pyproject.toml").read_text(encoding="utf-8").splitlines()
    section: list[str] = []
    for number, line in enumerate(lines):
        if line.startswith("ignore = ["):
            section = lines[number + 1 :]
            break
    for entry in section:
        if entry.startswith("]"):
            break
        assert "#" in entry, f"no reason: {entry.strip()}"
