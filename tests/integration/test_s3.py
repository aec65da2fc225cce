"""Objects of a real S3 server: fetched whole, once, and continued where a download was cut."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from object_kit import BUCKET, SECRET, USER, Objects
from remote_kit import Puller, noise

from dagster_project.contracts.model import Server
from dagster_project.errors import ChannelError, UsageError

pytestmark = pytest.mark.xdist_group("s3")
MIB = 1 << 20


@pytest.fixture(scope="session")
def server() -> Iterator[Objects]:
    """One store for all tests of this module."""
    store = Objects()
    yield store
    store.close()


@pytest.fixture
def store(server: Objects, monkeypatch: pytest.MonkeyPatch) -> Objects:
    """The store with an empty bucket, and credentials in the environment."""
    server.reset()
    server.empty()
    monkeypatch.setenv("OBJECTS_USER", USER)
    monkeypatch.setenv("OBJECTS_PASSWORD", SECRET)
    return server


def puller(
    store: Objects, tmp_path: Path, path: str = "交换/低保_*.csv", **words: object
) -> Puller:
    """A channel of the store."""
    spool = tmp_path / "spool"
    spool.mkdir(exist_ok=True)
    server = Server(
        name="objects",
        type="s3",
        format="csv",
        location=f"s3://{BUCKET}/{path}",
        endpoint=store.endpoint,
        credentials="env:OBJECTS",
        options={"region": "us-east-1"},
    )
    return Puller(server, spool, dict(words))


def test_new_objects_come_once_and_in_order(store: Objects, tmp_path: Path) -> None:
    """Objects that match are brought by key with their bytes; then nothing is new."""
    for name in ("低保_202612.csv", "低保_202611.csv", "低保_a+b %20 c&d#?.csv", "别的_1.csv"):
        store.put(f"交换/{name}", name.encode() * 1000)
    store.put("交换/低保_大.CSV", noise(3 * MIB))
    store.put("交换/低保_0.csv", b"")
    store.put("交换/", b"")
    store.put("交换/低保_9.csv/", b"")
    store.put("交换/下层/低保_1.csv", b"too deep")
    store.put("交换录/低保_1.csv", b"another folder")
    pulling = puller(store, tmp_path)
    taken = pulling.pull()
    assert list(taken) == [
        "objects/交换/低保_0.csv",
        "objects/交换/低保_202611.csv",
        "objects/交换/低保_202612.csv",
        "objects/交换/低保_a+b %20 c&d#?.csv",
        "objects/交换/低保_大.CSV",
    ]
    assert taken["objects/交换/低保_大.CSV"] == noise(3 * MIB)
    assert pulling.left == []
    assert pulling.pull() == {}
    assert not pulling.refused


def test_a_cut_download_goes_on_where_it_stopped(store: Objects, tmp_path: Path) -> None:
    """After a cut only the bytes that are missing are asked for, and none is lost or doubled."""
    data = noise(24 * MIB)
    store.put("交换/低保_1.csv", data)
    pulling = puller(store, tmp_path)
    store.cut_after = 10 * MIB
    with pytest.raises(ChannelError) as cut:
        pulling.pull()
    assert cut.value.transient
    (part,) = [path for path in pulling.spool.iterdir() if path.suffix == ".part"]
    here = part.stat().st_size
    assert 0 < here <= 10 * MIB
    store.reset()
    assert pulling.pull() == {"objects/交换/低保_1.csv": data}
    assert store.sent == len(data) - here
    assert store.ranges == [f"bytes={here}-"]
    assert pulling.left == []
