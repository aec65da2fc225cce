"""The archive of a package: one form, checked to the last byte; whatever differs is refused."""

from __future__ import annotations

import io
import os
import random
import struct
import zipfile
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dagster_project.errors import PackageError
from dagster_project.protocol.archive import pack, unpack
from dagster_project.protocol.folders import Copied, Limits

FILES = {
    "data/population_by_town.parquet": b"PAR1" + bytes(range(256)) * 5 + b"PAR1",
    "datapackage.json": b'{"name":"x"}',
    "lineage.ndjson": b"",
    "signature.json": b'{"payload":""}',
}


def folder_of(where: Path, files: dict[str, bytes]) -> Path:
    """A folder with these files."""
    for name, data in files.items():
        (where / name).parent.mkdir(parents=True, exist_ok=True)
        (where / name).write_bytes(data)
    return where


def archived(where: Path, files: dict[str, bytes]) -> bytes:
    """The bytes of a folder's archive."""
    return b"".join(pack(folder_of(where, files)).chunks())


def opened(data: bytes, target: Path, limits: Limits | None = None) -> Copied:
    """What unpacking these bytes met."""
    return unpack(io.BytesIO(data), target, limits or Limits())


def zipped(entries: list[tuple[str, bytes]], **changes: object) -> bytes:
    """An archive made by the standard library in our form, but for the changes."""
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as archive:
        for name, data in entries:
            info = zipfile.ZipInfo(name)
            info.external_attr = 0o100444 << 16
            for field, value in changes.items():
                setattr(info, field, value)
            archive.writestr(info, data)
    return made.getvalue()


def test_an_archive_comes_back_as_it_was_packed(tmp_path: Path) -> None:
    """Packing and unpacking returns the same files, and any ZIP programme opens the archive."""
    packed = pack(folder_of(tmp_path / "sealed", FILES))
    data = b"".join(packed.chunks())
    copied = opened(data, tmp_path / "copy")
    assert copied.problems == []
    assert copied.paths == sorted(FILES)
    assert copied.total == sum(map(len, FILES.values()))
    assert {name: (tmp_path / "copy" / name).read_bytes() for name in FILES} == FILES
    assert packed.size == len(data)
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        assert archive.testzip() is None
        assert {name: archive.read(name) for name in archive.namelist()} == FILES


def test_the_bytes_follow_from_the_files_alone(tmp_path: Path) -> None:
    """Times and modes on the disk leave no trace, and another writer makes the same bytes."""
    first = archived(tmp_path / "a", FILES)
    (tmp_path / "a" / "datapackage.json").chmod(0o400)
    os.utime(tmp_path / "a" / "lineage.ndjson", (1, 1))
    assert b"".join(pack(tmp_path / "a").chunks()) == first
    assert zipped(sorted(FILES.items())) == first


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=40)
@given(start=st.integers(0, 3000), length=st.integers(0, 3000))
def test_any_part_of_an_archive_can_be_sent(tmp_path: Path, start: int, length: int) -> None:
    """A slice of the archive is the slice of its bytes, wherever it begins and ends."""
    packed = pack(folder_of(tmp_path, FILES))
    whole = b"".join(packed.chunks())
    assert b"".join(packed.chunks(start, start + length)) == whole[start : start + length]


def test_a_folder_with_anything_else_is_not_packed(tmp_path: Path) -> None:
    """A link or a strange name in a sealed folder is told of, not sent."""
    for name in ("a b.json", "data/deep/x.json", "data/.hidden"):
        folder = folder_of(tmp_path / str(len(name)), {**FILES, name: b""})
        with pytest.raises(PackageError, match="belongs in no package"):
            pack(folder)
    (linked := folder_of(tmp_path / "linked", FILES)).joinpath("x.json").symlink_to("/etc/passwd")
    with pytest.raises(PackageError, match="belongs in no package"):
        pack(linked)


NAMES = [
    "../x.json",
    "/etc/x.json",
    "a/x.json",
    "data/../x.json",
    "data/a/x.json",
    "data/",
    "data",
    "",
    ".x.json",
    "data/.x",
    "x\\y.json",
    "C:x.json",
    "x\n.json",
    "x y.json",
    "x" * 81,
    "\u7edf\u8ba1.json",
]


@pytest.mark.parametrize("name", NAMES)
def test_a_name_that_is_not_plain_is_refused(name: str, tmp_path: Path) -> None:
    """Names that lead elsewhere, hide, or are written otherwise are refused unwritten."""
    copied = opened(zipped([(name, b"{}")]), tmp_path / "in" / "copy")
    assert copied.problems
    assert copied.paths == []
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def _patched(offset: int, value: bytes) -> Callable[[bytes], bytes]:
    return lambda data: data[:offset] + value + data[offset + len(value) :]


HOSTILE: dict[str, tuple[Callable[[bytes], bytes], str]] = {
    "leading garbage": (lambda data: b"MZ" + data, "no archive"),
    "trailing garbage": (lambda data: data + b"\0", "follows after its end"),
    "a comment": (lambda data: data[:-2] + b"\1\0x", "does not describe"),
    "a second archive behind": (lambda data: data * 2, "follows after its end"),
    "cut in its directory": (lambda data: data[:-30], "ends too early"),
    "cut in a file": (lambda data: data[:200], "in the middle of it"),
    "cut in a header": (lambda data: data[:10], "ends too early"),
    "nothing": (lambda _: b"", "ends too early"),
    "only an end": (lambda data: data[-22:], "no archive"),
    "a size that lies": (_patched(18, struct.pack("<II", 7, 7)), "checksum"),
    "a size of ZIP64": (_patched(18, b"\xff" * 8), "larger than a package may be"),
    "two sizes": (_patched(22, struct.pack("<I", 9)), "compressed"),
    "compression": (_patched(8, b"\x08\0"), "compressed"),
    "encryption": (_patched(6, b"\x01\0"), "flags or fields"),
    "a descriptor behind": (_patched(6, b"\x08\0"), "flags or fields"),
    "an extra field": (_patched(28, b"\x04\0"), "flags or fields"),
    "a long name": (_patched(26, b"\xff\xff"), "flags or fields"),
    "another time": (_patched(10, b"\x01\0"), "not the fixed one"),
    "another checksum": (_patched(14, b"\0\0\0\0"), "checksum"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_container_is_refused(name: str, tmp_path: Path) -> None:
    """Whatever a container can lie about is refused with a sentence that names it."""
    spoil, told = HOSTILE[name]
    copied = opened(spoil(archived(tmp_path / "sealed", FILES)), tmp_path / "copy")
    assert told in copied.problems[0]


def test_links_in_the_directory_are_refused(tmp_path: Path) -> None:
    """A file that the directory calls a link is no file of a package."""
    data = zipped([("x.json", b"/etc/passwd")], external_attr=0o120777 << 16)
    assert "does not describe" in opened(data, tmp_path / "copy").problems[0]


def test_overlapping_entries_are_refused(tmp_path: Path) -> None:
    """Two entries of the directory that share one file's bytes do not pass."""
    data = archived(tmp_path / "sealed", {"a.json": b"{}"})
    end = data.rindex(b"PK\x05\x06")
    start = data.index(b"PK\x01\x02")
    listed = data[start:end]
    double = listed + listed.replace(b"a.json", b"b.json")
    tail = struct.pack("<4s4H2IH", b"PK\x05\x06", 0, 0, 2, 2, len(double), start, 0)
    copied = opened(data[:start] + double + tail, tmp_path / "copy")
    assert "does not describe" in copied.problems[0]


def test_duplicates_and_disorder_are_refused(tmp_path: Path) -> None:
    """The same name twice, or names out of their order, are refused."""
    for turn, names in enumerate((["a.json", "a.json"], ["b.json", "a.json"])):
        with (
            pytest.warns(UserWarning, match="Duplicate name")
            if names[0] == names[1]
            else nullcontext()
        ):
            data = zipped([(name, b"{}") for name in names])
        assert "not in order" in opened(data, tmp_path / str(turn)).problems[0]


def test_the_limits_hold_while_reading(tmp_path: Path) -> None:
    """Too many files, too large a file, too much in all: refused without reading on."""
    many = archived(tmp_path / "m", {f"f{turn:02d}.json": b"{}" for turn in range(17)})
    assert "more than 16 files" in opened(many, tmp_path / "1").problems[0]
    large = io.BytesIO(archived(tmp_path / "l", {"a.json": b"0" * 5000}))
    copied = unpack(large, tmp_path / "2", Limits(file_bytes=4999))
    assert copied.problems == ["a.json: it is larger than a package may be"]
    assert large.tell() < 100
    both = archived(tmp_path / "b", {"a.json": b"0" * 60, "b.json": b"0" * 60})
    copied = opened(both, tmp_path / "3", Limits(total_bytes=100))
    assert copied.problems == ["b.json: it is larger than a package may be"]


def test_nothing_that_exists_is_written_to(tmp_path: Path) -> None:
    """The folder to unpack into must be new."""
    (tmp_path / "copy").mkdir()
    with pytest.raises(FileExistsError):
        opened(archived(tmp_path / "sealed", FILES), tmp_path / "copy")


def test_no_change_of_one_byte_passes(tmp_path: Path) -> None:
    """Of 400 archives with one byte changed, added or missing, none is taken."""
    good = archived(tmp_path / "sealed", FILES)
    dice = random.Random(20260727)  # noqa: S311 - a repeatable test
    for turn in range(400):
        at = dice.randrange(len(good))
        other = bytes([good[at] ^ dice.randrange(1, 256)])
        bad = (
            good[:at] + other + good[at + 1 :],
            good[:at] + good[at + 1 :],
            good[:at] + other + good[at:],
        )[turn % 3]
        assert bad == good or opened(bad, tmp_path / "t" / str(turn)).problems, f"{turn}: byte {at}"


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
@given(begun=st.sampled_from([b"", b"PK\x03\x04"]), data=st.binary(max_size=300))
def test_any_bytes_end_in_a_sentence(tmp_path: Path, begun: bytes, data: bytes) -> None:
    """Whatever bytes come, the answer is a problem and no exception."""
    target = tmp_path / os.urandom(8).hex()
    assert opened(begun + data, target).problems
