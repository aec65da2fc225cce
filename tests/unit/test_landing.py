"""The landing keeps bytes once, under their hash, or nothing at all."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import pytest

from dagster_project.errors import DeliveryError, LakeError
from dagster_project.ingest import landing
from dagster_project.ingest.landing import land
from dagster_project.paths import Home


def test_bytes_are_kept_under_their_hash_and_read_only(tmp_path: Path) -> None:
    """The copy is complete, named by its SHA-256 and cannot be written."""
    source = tmp_path / "a.csv"
    source.write_bytes(os.urandom(3 << 20))
    landed = land(source, Home(tmp_path / "home"))
    assert landed.sha256 == hashlib.sha256(source.read_bytes()).hexdigest()
    assert landed.path == tmp_path / "home" / "landing" / landed.sha256
    assert landed.path.read_bytes() == source.read_bytes()
    assert landed.bytes == 3 << 20
    assert landed.path.stat().st_mode & 0o777 == 0o444


def test_the_same_bytes_are_kept_once(tmp_path: Path) -> None:
    """A second delivery of the same bytes writes nothing and leaves nothing."""
    home = Home(tmp_path / "home")
    for name in ("a.csv", "b.csv"):
        (tmp_path / name).write_bytes(b"same")
    first, second = land(tmp_path / "a.csv", home), land(tmp_path / "b.csv", home)
    assert first == second
    assert [p.name for p in home.landing.iterdir()] == [first.sha256]


def test_a_missing_file_is_refused_by_name(tmp_path: Path) -> None:
    """A delivery that went away is a sentence, and the landing stays empty."""
    home = Home(tmp_path / "home")
    with pytest.raises(DeliveryError, match=r"公安局/a.csv: .*cannot be read"):
        land(tmp_path / "a.csv", home, name="公安局/a.csv")
    assert list(home.landing.iterdir()) == []


def test_a_damaged_landed_copy_is_never_taken_for_good(tmp_path: Path) -> None:
    """A landed file of another length stops the delivery instead of standing in for it."""
    home = Home(tmp_path / "home")
    source = tmp_path / "a.csv"
    source.write_bytes(b"whole")
    landed = land(source, home)
    landed.path.chmod(0o644)
    landed.path.write_bytes(b"who")
    with pytest.raises(LakeError, match="no longer has the length"):
        land(source, home)


def test_a_file_that_changes_while_it_is_read_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An upload that goes on during the copy is not landed."""
    home = Home(tmp_path / "home")
    source = tmp_path / "a.csv"
    source.write_bytes(b"x" * 10)
    read = landing._read  # noqa: SLF001 - the only place where both files are open

    def reading(*args: object) -> bytes:
        block = read(*args)  # type: ignore[arg-type]
        with source.open("ab") as more:
            more.write(b"y" if not block else b"")
        return block

    monkeypatch.setattr(landing, "_read", reading)
    with pytest.raises(DeliveryError, match="changed while"):
        land(source, home)
    assert list(home.landing.iterdir()) == []


def test_a_full_disk_leaves_nothing(tmp_path: Path) -> None:
    """When the copy cannot be finished, a sentence says so and no part of it stays."""
    source = tmp_path / "a.csv"
    source.write_bytes(b"x" * (1 << 20))
    script = (
        "import resource, sys; from pathlib import Path\n"
        "from dagster_project.ingest.landing import land; "
        "from dagster_project.paths import Home; from dagster_project.errors import LakeError\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 16, 1 << 16))\n"
        "try: land(Path(sys.argv[1]), Home(Path(sys.argv[2])))\n"
        "except LakeError as error: print(error)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, str(source), str(tmp_path / "home")],
        capture_output=True,
        text=True,
        check=True,
    )
    assert "the landing cannot be written" in done.stdout
    assert list((tmp_path / "home" / "landing").iterdir()) == []
