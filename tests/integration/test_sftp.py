"""Files on a real SFTP server: fetched whole, once, and continued where a download was cut."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from pathlib import Path

import asyncssh
import pytest
from remote_kit import Puller, noise
from sftp_kit import PASSWORD, USER, Drop

from dagster_project.contracts.model import Server
from dagster_project.errors import ChannelError, UsageError
from dagster_project.ingest.channels import remote_files
from dagster_project.ingest.channels.pull import Window

pytestmark = pytest.mark.xdist_group("sftp")
MIB = 1 << 20


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Drop]:
    """One server for all tests of this module."""
    drop = Drop(tmp_path_factory.mktemp("drop"))
    yield drop
    drop.close()


@pytest.fixture
def drop(server: Drop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Drop:
    """The server with an empty root, and credentials in the environment."""
    server.root = tmp_path / "root"
    server.root.mkdir()
    server.reset()
    monkeypatch.setenv("DROP_USER", USER)
    monkeypatch.setenv("DROP_PASSWORD", PASSWORD)
    monkeypatch.setattr(remote_files, "SECOND_LOOK_AFTER_S", 0.01)
    return server


def puller(drop: Drop, tmp_path: Path, path: str = "export/低保_*.csv", **words: object) -> Puller:
    """A channel of the server."""
    spool = tmp_path / "spool"
    spool.mkdir(exist_ok=True)
    server = Server(
        name="drop",
        type="sftp",
        format="csv",
        location=drop.location(path),
        credentials="env:DROP",
        options={"hostKey": drop.fingerprints[0]},
    )
    return Puller(server, spool, dict(words))


def test_new_files_come_once_and_in_order(drop: Drop, tmp_path: Path) -> None:
    """Files that match are brought by path with their bytes and times; then nothing is new."""
    for name in ("低保_202612.csv", "低保_202611.csv", "低保 第 1 期.csv", "别的_1.csv"):
        drop.put(f"export/{name}", name.encode() * 1000)
    drop.put("export/低保_大.CSV", noise(3 * MIB))
    drop.put("export/低保_0.csv", b"")
    drop.put("export/低保_3.csv.part", b"half")
    drop.put("export/deep/低保_9.csv", b"too deep")
    pulling = puller(drop, tmp_path)
    taken = pulling.pull()
    assert list(taken) == [
        "drop/export/低保_0.csv",
        "drop/export/低保_202611.csv",
        "drop/export/低保_202612.csv",
        "drop/export/低保_大.CSV",
    ]
    assert taken["drop/export/低保_大.CSV"] == noise(3 * MIB)
    assert pulling.left == []
    assert pulling.pull() == {}
    assert not pulling.refused


def test_a_cut_download_goes_on_where_it_stopped(drop: Drop, tmp_path: Path) -> None:
    """After a cut only the bytes that are missing are asked for, and none is lost or doubled."""
    data = noise(24 * MIB)
    drop.put("export/低保_1.csv", data)
    pulling = puller(drop, tmp_path)
    drop.cut_after = 10 * MIB
    with pytest.raises(ChannelError) as cut:
        pulling.pull()
    assert cut.value.transient
    (part,) = [path for path in pulling.spool.iterdir() if path.suffix == ".part"]
    here = part.stat().st_size
    assert 0 < here <= 10 * MIB
    drop.reset()
    assert pulling.pull() == {"drop/export/低保_1.csv": data}
    assert drop.asked["export/低保_1.csv"] == len(data) - here
    assert pulling.left == []
