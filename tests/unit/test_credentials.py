"""References to secrets: what they may name, who may read it, and that no secret is repeated."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from dagster_project.credentials import credential
from dagster_project.errors import UsageError

SECRET = "s3cret-of-nobody"  # noqa: S105 - of nobody


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The credentials of a keys folder."""
    monkeypatch.setenv("COUNTYLAKE_KEYS", str(tmp_path))
    (tmp_path / "credentials").mkdir()
    return tmp_path / "credentials"


def test_a_file_is_read_that_its_owner_alone_may_read(folder: Path) -> None:
    """Its mode is that of the very file that is read, through a link, too."""
    file = folder / "real"
    file.write_text(f"# theirs\nuser=u\npassword={SECRET}\n")
    file.chmod(0o644)
    (folder / "linked").symlink_to(file)
    with pytest.raises(UsageError, match="others may read") as refused:
        credential("file:linked")
    assert SECRET not in str(refused.value)
    file.chmod(0o600)
    found = credential("file:linked")
    assert (found.user, found.password) == ("u", SECRET)
    assert SECRET not in repr(found)


@pytest.mark.parametrize(
    "reference", ["file:../real", "file:/etc/passwd", "file:", "env:A B", "env:", SECRET, "env:A\n"]
)
def test_what_is_no_reference_is_refused_and_not_repeated(folder: Path, reference: str) -> None:
    """No way leads out of the folder, and a secret in a reference's place is not shown."""
    (folder.parent / "real").write_text(f"password={SECRET}\n")
    (folder.parent / "real").chmod(0o600)
    with pytest.raises(UsageError, match="no reference to credentials") as refused:
        credential(reference)
    assert SECRET not in str(refused.value)


def test_a_pipe_is_not_waited_for(folder: Path) -> None:
    """It holds nothing, and is told as such."""
    os.mkfifo(folder / "pipe", 0o600)
    with pytest.raises(UsageError, match="say nothing"):
        credential("file:pipe")
