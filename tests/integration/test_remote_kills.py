"""Killed anywhere while it fetches, a channel loses no byte, doubles none, and goes on."""

from __future__ import annotations

import hashlib
import json
import random
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from object_kit import BUCKET, SECRET, Objects
from object_kit import USER as KEY
from remote_kit import noise
from sftp_kit import PASSWORD, USER, Drop

pytestmark = pytest.mark.thorough
KILLS = 10
MIB = 1 << 20
FILES = {f"低保_{number}.csv": noise(3 * number * MIB + number, number) for number in range(1, 9)}
CHILD = """\
import hashlib, json, os, sys
from pathlib import Path

sys.path.insert(0, sys.argv[3])
from remote_kit import remote_feed

from dagster_project.contracts.model import Server
from dagster_project.ingest.channels import remote_files
from dagster_project.ingest.channels.pull import Memory, pull_channel

remote_files.SECOND_LOOK_AFTER_S = 0.01
server, root = Server(**json.loads(sys.argv[1])), Path(sys.argv[2])
ledger, spool = root / "ledger", root / "spool"
marks = frozenset(tuple(json.loads(line)["mark"]) for one in ledger.iterdir()
                  if one.suffix == ".json" for line in [one.read_text()])
print("ready", flush=True)
sys.stdin.readline()
for extract in pull_channel(remote_feed(server), server, spool, inbox=root).pull(Memory(marks)):
    mark = extract.candidate.mark
    assert mark not in marks
    name = hashlib.sha256(repr(mark).encode()).hexdigest()
    said = {"mark": mark, "sha256": hashlib.sha256(extract.file.read_bytes()).hexdigest()}
    (ledger / f"{name}.new").write_text(json.dumps(said))
    os.link(ledger / f"{name}.new", ledger / f"{name}.json")  # fails if it is there already
    extract.file.unlink()
"""


class Reaper:
    """Kills a process after so many blocks were sent to it."""

    def __init__(self) -> None:
        self.left, self.child = 0, subprocess.Popen[str]([sys.executable, "-c", ""])
        self.child.wait()

    def __call__(self, _: str = "") -> None:
        """A block was asked for, or sent."""
        self.left -= 1
        if self.left == 0:
            self.child.send_signal(signal.SIGKILL)


def campaign(root: Path, server: dict[str, object], seed: int, reaper: Reaper, block: int) -> None:
    """Ten killed pulls and a last one; then every file was taken once, with its own bytes."""
    (root / "ledger").mkdir()
    (root / "spool").mkdir()
    chance, cut = random.Random(seed), 0  # noqa: S311 - no secret
    blocks = sum(map(len, FILES.values())) // block
    for number in range(KILLS + 1):
        reaper.child = child = start(root, server)
        reaper.left = chance.randint(1, blocks * 2 // KILLS) if number < KILLS else 0
        _, error = child.communicate("go\n", timeout=120)
        assert child.returncode in {0, -signal.SIGKILL}, error
        cut += any(path.suffix == ".part" for path in (root / "spool").iterdir())
    assert child.returncode == 0
    assert cut >= KILLS // 3, "the kills came between the files"
    prefix = f"{server['name']}/{str(server['location']).split('/', 3)[3].rpartition('/')[0]}"
    taken = ledger(root)
    assert taken == {
        f"{prefix}/{name}": hashlib.sha256(data).hexdigest() for name, data in FILES.items()
    }


def start(root: Path, server: dict[str, object]) -> subprocess.Popen[str]:
    """A process of its own that is about to pull."""
    kits = str(Path(__file__).parent)
    command = [sys.executable, "-c", CHILD, json.dumps(server), str(root), kits]
    child = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert child.stdout is not None
    assert child.stdout.readline() == "ready\n"
    return child


def ledger(root: Path) -> dict[str, str]:
    """What the killed processes took."""
    said = [json.loads(one.read_text()) for one in (root / "ledger").glob("*.json")]
    taken = {one["mark"][0]: one["sha256"] for one in said}
    assert len(taken) == len(said)
    return taken


@pytest.mark.parametrize("seed", [1, 2])
def test_ten_kills_over_sftp(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seed: int) -> None:
    """After ten kills every file's bytes are right, and few were asked for twice."""
    (tmp_path / "root").mkdir()
    monkeypatch.setenv("DROP_USER", USER)
    monkeypatch.setenv("DROP_PASSWORD", PASSWORD)
    drop = Drop(tmp_path / "root")
    try:
        for name, data in FILES.items():
            drop.put(f"export/{name}", data)
        drop.reading = reaper = Reaper()
        server = {
            "name": "drop",
            "type": "sftp",
            "location": drop.location("export/低保_*.csv"),
            "credentials": "env:DROP",
            "options": {"hostKey": drop.fingerprints[0]},
        }
        campaign(tmp_path, server, seed, reaper, MIB)
        whole = sum(map(len, FILES.values()))
        assert drop.asked.total() <= whole + KILLS * 10 * MIB
    finally:
        drop.close()


@pytest.mark.parametrize("seed", [1, 2])
def test_ten_kills_over_s3(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seed: int) -> None:
    """After ten kills every object's bytes are right, and few were asked for twice."""
    monkeypatch.setenv("OBJECTS_USER", KEY)
    monkeypatch.setenv("OBJECTS_PASSWORD", SECRET)
    store = Objects()
    try:
        store.empty()
        for name, data in FILES.items():
            store.put(f"交换/{name}", data)
        store.sending = reaper = Reaper()
        server = {
            "name": "objects",
            "type": "s3",
            "location": f"s3://{BUCKET}/交换/低保_*.csv",
            "endpoint": store.endpoint,
            "credentials": "env:OBJECTS",
        }
        campaign(tmp_path, server, seed, reaper, 64 << 10)
        assert store.sent <= sum(map(len, FILES.values())) + KILLS * 10 * MIB
    finally:
        store.close()
