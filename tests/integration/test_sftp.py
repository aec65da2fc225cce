"""Files on a real SFTP server: fetched whole, once, and continued where a download was cut."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from pathlib import Path

import asyncssh
import pytest
from remote_kit import noise, remote_feed
from sftp_kit import Drop, puller

from dagster_project.errors import ChannelError, LakeError, UsageError
from dagster_project.ingest.channels import remote_files
from dagster_project.ingest.channels.pull import Memory, Window, pull_channel

pytestmark = pytest.mark.xdist_group("sftp")
MIB = 1 << 20


def listed(name: str) -> asyncssh.SFTPName:
    """A line of an invented listing."""
    time = 1_700_000_000
    attrs = asyncssh.SFTPAttrs(permissions=0o100644, size=4, atime=time, mtime=time)
    return asyncssh.SFTPName(name.encode(), b"-", attrs)


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


def test_a_connection_that_a_left_file_broke_loses_nothing(drop: Drop, tmp_path: Path) -> None:
    """Files before a cut stay taken; the next pull brings the others, each once."""
    for number in range(4):
        drop.put(f"export/低保_{number}.csv", noise(MIB, number))
    pulling = puller(drop, tmp_path)
    drop.cut_after = 5 * MIB // 2
    with pytest.raises(ChannelError):
        pulling.pull()
    assert len(pulling.marks) == 2
    drop.reset()
    rest = pulling.pull()
    assert rest == {f"drop/export/低保_{n}.csv": noise(MIB, n) for n in (2, 3)}


def test_other_bytes_under_the_same_name_are_another_delivery(drop: Drop, tmp_path: Path) -> None:
    """A file that was replaced comes again; what was downloaded of its old bytes is not used."""
    drop.put("export/低保_1.csv", noise(3 * MIB))
    pulling = puller(drop, tmp_path)
    drop.cut_after = 5 * MIB // 2
    with pytest.raises(ChannelError):
        pulling.pull()
    drop.reset()
    drop.put("export/低保_1.csv", noise(3 * MIB, 2), mtime=1_700_000_060)
    assert pulling.pull() == {"drop/export/低保_1.csv": noise(3 * MIB, 2)}
    drop.put("export/低保_1.csv", b"third", mtime=1_700_000_120)
    assert pulling.pull() == {"drop/export/低保_1.csv": b"third"}


def test_a_file_that_changes_while_it_is_fetched_is_left(drop: Drop, tmp_path: Path) -> None:
    """Appended to, rewritten or removed during its download, a file waits; the others go on."""
    for name in ("长", "改", "删", "好"):
        drop.put(f"export/低保_{name}.csv", noise(MIB))

    def reading(path: str) -> None:
        file = drop.root / path
        if path.endswith("长.csv"):
            with file.open("ab") as grown:
                grown.write(b"more")
        elif path.endswith("改.csv"):
            os.utime(file, (1_700_000_900, 1_700_000_900))
        elif path.endswith("删.csv"):
            file.unlink(missing_ok=True)

    drop.reading = reading
    pulling = puller(drop, tmp_path)
    assert list(pulling.pull()) == ["drop/export/低保_好.csv"]
    assert len(pulling.unfinished) == 3
    assert all("changed while" in sentence for sentence in pulling.unfinished)
    assert pulling.left == []
    drop.reset()
    for name in ("长", "改"):
        drop.put(f"export/低保_{name}.csv", noise(MIB, 7))
    assert len(pulling.pull()) == 2


def test_a_file_that_is_still_being_written_is_left(drop: Drop, tmp_path: Path) -> None:
    """What grew between the listing and the download is not begun."""
    drop.put("export/低保_1.csv", b"first rows")
    drop.opened = lambda path: (drop.root / path).write_bytes(b"first rows and more") and None
    pulling = puller(drop, tmp_path)
    assert pulling.pull() == {}
    assert len(pulling.unfinished) == 1
    assert not drop.asked


def test_hostile_names_stay_outside(drop: Drop, tmp_path: Path) -> None:
    """Names with control characters, steps upwards or 2,000 letters never name anything here."""
    drop.put("export/低保_1.csv", b"good")
    drop.put("export/低保_ctrl\x1b[2J\n.csv", b"bad")
    names = [
        "../../etc/低保_1.csv",
        "..",
        "/低保_abs.csv",
        "低保_" + "长" * 2000 + ".csv",
        "低保_1.csv",
    ]
    made = [listed(name) for name in names]
    pulling = puller(drop, tmp_path)
    assert list(pulling.pull()) == ["drop/export/低保_1.csv"]
    assert "control characters" in pulling.refused[0]
    assert "\x1b" not in pulling.refused[0]
    drop.lists = lambda _path: made
    pulling.marks.clear()
    assert list(pulling.pull()) == ["drop/export/低保_1.csv"]
    assert any("too long" in sentence for sentence in pulling.refused)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["root", "spool"]


def test_names_that_a_disk_takes_for_one_are_two(drop: Drop, tmp_path: Path) -> None:
    """Names that differ in case or in Unicode form alone are files of their own."""
    names = ["a.csv", "A.csv", "é.csv", "e\u0301.csv"]
    for name in names:
        drop.put(f"export/{name}", name.encode())
    taken = puller(drop, tmp_path, "export/*.csv").pull()
    assert taken == {f"drop/export/{name}": name.encode() for name in names}


def test_names_in_gbk_are_read_and_asked_for(drop: Drop, tmp_path: Path) -> None:
    """A server on Chinese Windows writes its names in GBK; they match and are fetched."""
    folder = os.fsencode(drop.root) + b"/" + "导出".encode("gb18030")
    os.mkdir(folder)  # noqa: PTH102 - a name that is no text
    file = folder + b"/" + "低保_十一月.csv".encode("gb18030")
    with open(file, "wb") as out:  # noqa: PTH123
        out.write(b"rows")
    os.utime(file, (1_700_000_000, 1_700_000_000))
    pulling = puller(drop, tmp_path, "导出/低保_*.csv")
    assert pulling.pull() == {"drop/导出/低保_十一月.csv": b"rows"}
    assert pulling.pull() == {}


def test_links_to_files_are_files_and_loops_end(drop: Drop, tmp_path: Path) -> None:
    """`**` spans folders, follows no link to a folder, and takes what a link to a file shows."""
    drop.put("export/甲/乙/低保_1.csv", b"deep")
    drop.put("export/低保_2.csv", b"flat")
    drop.put("elsewhere/real.csv", b"linked")
    drop.put("export/.trash/低保_3.csv", b"hidden")
    (drop.root / "export/甲/loop").symlink_to("..", target_is_directory=True)
    (drop.root / "export/低保_4.csv").symlink_to("../elsewhere/real.csv")
    (drop.root / "export/低保_5.csv").symlink_to("nowhere")
    (drop.root / "export/低保_6.csv").symlink_to("低保_6.csv")
    os.mkfifo(drop.root / "export/低保_7.csv")
    taken = puller(drop, tmp_path, "export/**/低保_*.csv").pull()
    assert taken == {
        "drop/export/低保_2.csv": b"flat",
        "drop/export/低保_4.csv": b"linked",
        "drop/export/甲/乙/低保_1.csv": b"deep",
    }


def test_a_window_asks_for_periods_and_a_look_for_the_newest(drop: Drop, tmp_path: Path) -> None:
    """A backfill brings known files of its months too; a look brings the newest file alone."""
    for name in ("低保_202609.csv", "低保_202610.csv", "低保_202611.csv"):
        drop.put(f"export/{name}", name.encode())
    drop.put("export/低保_无期.csv", b"x", mtime=1_760_000_000)
    pulling = puller(drop, tmp_path)
    assert len(pulling.pull()) == 4
    window = Window("2026-10-01", "2026-11-01")
    assert list(pulling.pull(window=window)) == ["drop/export/低保_202610.csv"]
    assert list(pulling.pull(window=Window("2025-10-01", "2025-10-20"))) == [
        "drop/export/低保_无期.csv"
    ]
    assert list(pulling.pull(look=100)) == ["drop/export/低保_无期.csv"]
    with pytest.raises(UsageError, match="no date"):
        pulling.pull(window=Window("yesterday", ""))


def test_files_of_a_manifest_and_parts_are_one_delivery(drop: Drop, tmp_path: Path) -> None:
    """As in the inbox: what belongs together comes together, and waits until it is whole."""
    data = {f"低保_{n}.csv": noise(1000 + n, n) for n in range(2)}
    stated = [
        {"path": name, "bytes": len(one), "sha256": hashlib.sha256(one).hexdigest()}
        for name, one in data.items()
    ]
    drop.put("export/低保_0.csv", data["低保_0.csv"])
    drop.put("export/十一月.manifest.json", json.dumps({"files": stated}).encode())
    drop.put("export/低保_表_1of2.csv", b"first")
    pulling = puller(drop, tmp_path, parts=True)
    assert pulling.pull() == {}
    assert len(pulling.unfinished) == 2
    drop.put("export/低保_1.csv", data["低保_1.csv"])
    drop.put("export/低保_表_2of2.csv", b"second")
    assert pulling.pull() == {
        "drop/export/低保_表.csv": b"firstsecond",
        "drop/export/十一月.manifest.json": data["低保_0.csv"] + data["低保_1.csv"],
    }
    assert pulling.left == []
    assert pulling.pull() == {}


def test_ten_thousand_names_are_looked_through(drop: Drop, tmp_path: Path) -> None:
    """A large folder is listed piece by piece; only what is meant and new is asked for."""
    drop.lists = lambda _path: [
        listed(f"{kind}_{number}.csv") for number in range(5_000) for kind in ("低保", "别的")
    ]
    drop.put("export/低保_77.csv", b"rows")
    pulling = puller(drop, tmp_path)
    pulling.marks = {
        (f"drop/export/低保_{n}.csv", 4, 1_700_000_000 * 10**9) for n in range(5_000) if n != 77
    }
    assert pulling.pull() == {"drop/export/低保_77.csv": b"rows"}


def test_only_so_many_new_files_come_in_one_pull(
    drop: Drop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first by path come; the next pull goes on behind them."""
    monkeypatch.setattr(remote_files, "MOST_FETCHED", 2)
    for number in range(3):
        drop.put(f"export/低保_{number}.csv", b"rows")
    pulling = puller(drop, tmp_path)
    assert list(pulling.pull()) == ["drop/export/低保_0.csv", "drop/export/低保_1.csv"]
    assert list(pulling.pull()) == ["drop/export/低保_2.csv"]


def test_what_a_stopped_pull_left_is_used_or_swept(drop: Drop, tmp_path: Path) -> None:
    """A complete file that was never committed is not fetched again; a stranger's is removed."""
    drop.put("export/低保_1.csv", noise(MIB))
    pulling = puller(drop, tmp_path)
    extracts = pull_channel(
        remote_feed(pulling.server), pulling.server, pulling.spool, inbox=tmp_path
    ).pull(Memory())
    next(extracts)
    extracts.close()
    (pulling.spool / "0123.part").write_bytes(b"left")
    drop.asked.clear()
    assert len(pulling.pull()) == 1
    assert not drop.asked
    assert pulling.left == []


def test_a_disk_without_room_is_a_sentence(drop: Drop, tmp_path: Path) -> None:
    """A file that cannot fit is not begun, and what to do is said."""
    free = shutil.disk_usage(tmp_path).free
    file = drop.put("export/低保_1.csv", b"")
    with file.open("r+b") as grown:
        grown.truncate(min(free, remote_files.MOST_BYTES))
    if free > 2 * remote_files.MOST_BYTES:
        pytest.skip("this disk has room for everything that is fetched at all")
    with pytest.raises(LakeError, match="no room"):
        puller(drop, tmp_path).pull()
    assert not drop.asked
