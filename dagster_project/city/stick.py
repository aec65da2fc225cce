"""A stick that carries packages of sites without a network: taken in, and given answers.

It holds ``<code>/up``, ``down``, ``corrections``, ``keys`` and ``parent`` as our own exchange
folder does. What comes enters by the same door as what is pushed; nothing on it is followed or
believed.
"""

from __future__ import annotations

import hashlib
import shutil
import tempfile
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from dagster_project.city.arrivals import ANSWER_BYTES, DOWN, UP, Door
from dagster_project.city.register import children, door_of
from dagster_project.errors import PackageError
from dagster_project.paths import Home
from dagster_project.protocol.acknowledgement import SUFFIX
from dagster_project.protocol.archive import pack
from dagster_project.protocol.correction import ANSWERED, ASKED, FOLDER, MOST_BYTES
from dagster_project.protocol.folders import (
    Limits,
    copy_untrusted,
    read_untrusted,
    shown,
    write_file,
)
from dagster_project.protocol.manifest import PACKAGE_ID
from dagster_project.protocol.site_card import MOST_BYTES as CARD_BYTES

KEYS, PARENT = "keys", "parent"
MOST_FILES = 20_000
"""So many files of one kind are looked at."""


@dataclass
class Carried:
    """What was taken from a stick and given to it: ids, names of files, sentences."""

    packages: list[str] = field(default_factory=list)
    answers: list[str] = field(default_factory=list)
    letters: list[str] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)


def take(home: Home, stick: Path, heads: Mapping[str, int]) -> Carried:
    """Put what registered children sent by a stick into their exchange folders.

    Doing it twice changes nothing.

    Args:
        home: The receiving site's.
        stick: The folder.
        heads: The last number that the ledger knows of each sender.

    Raises:
        PackageError: The register is damaged.
    """
    done, known = Carried(), children(home)
    for code in _codes(stick):
        if door_of(known, code) != code:
            done.remarks.append(f"{code} is not registered here; nothing was taken from it.")
            continue
        door, folder = Door(home, code), stick / code
        try:
            door.check()
            for name in _names(folder / UP):
                if PACKAGE_ID.match(name):
                    head_no = heads.get(name.partition("-")[0], 0)
                    _take_package(door, folder / UP / name, head_no, done)
            _copy(folder / FOLDER, door.folder / FOLDER, ANSWERED, MOST_BYTES, done)
            _copy(folder / KEYS, door.folder / KEYS, ".json", CARD_BYTES, done)
        except (PackageError, OSError) as error:
            done.remarks.append(f"{code}: {error}")
    return done


def give(home: Home, stick: Path) -> Carried:
    """Put our answers to what lies on a stick, and what we ask for, onto it."""
    done, known = Carried(), children(home)
    for code in _codes(stick):
        if door_of(known, code) != code:
            continue
        ours, folder = home.exchange / code, stick / code
        try:
            for name in _names(folder / UP):
                data = read_untrusted(ours / DOWN, name + SUFFIX, ANSWER_BYTES)
                if data is not None and _write(folder / DOWN, name + SUFFIX, data):
                    done.answers.append(name)
            _copy(ours / FOLDER, folder / FOLDER, ASKED, MOST_BYTES, done)
            _copy(ours / PARENT, folder / PARENT, ".json", CARD_BYTES, done)
        except OSError as error:
            done.remarks.append(f"{code}: the stick cannot be written ({error.strerror}).")
    return done


def _codes(stick: Path) -> list[str]:
    return [path.name for path in sorted(stick.iterdir()) if _is_site(path)]


def _is_site(path: Path) -> bool:
    return path.name.isdecimal() and path.is_dir() and not path.is_symlink()


def _names(folder: Path) -> Iterator[str]:
    """The files and folders of a folder that may be missing, or lead elsewhere."""
    if folder.is_symlink() or not folder.is_dir():
        return
    names = sorted(path.name for path in folder.iterdir() if not path.name.startswith("."))
    yield from names[:MOST_FILES]


def _take_package(door: Door, source: Path, head_no: int, done: Carried) -> None:
    """Take one package as if its archive had come over a line."""
    copy = door.home.scratch / f"stick-{uuid.uuid4().hex}"
    door.home.scratch.mkdir(parents=True, exist_ok=True)
    try:
        copied = copy_untrusted(source, copy, Limits())
        if copied.problems:
            done.remarks.append(f"{door.code}: {shown(source.name)}: {copied.problems[0]}.")
            return
        with tempfile.TemporaryFile(dir=door.home.scratch) as stream:
            digest = hashlib.sha256()
            for block in pack(copy).chunks():
                digest.update(block)
                stream.write(block)
            stream.seek(0)
            if door.take(source.name, stream, digest.hexdigest(), Limits(), head_no).is_new:
                done.packages.append(source.name)
    except PackageError as error:
        done.remarks.append(f"{door.code}: {error}")
    finally:
        shutil.rmtree(copy, ignore_errors=True)


def _copy(source: Path, target: Path, suffix: str, most: int, done: Carried) -> None:
    for name in _names(source):
        data = read_untrusted(source, name, most) if name.endswith(suffix) else None
        if data is not None and _write(target, name, data):
            done.letters.append(name)


def _write(folder: Path, name: str, data: bytes) -> bool:
    """Write a file, unless it stands there; the other side may not lead us elsewhere."""
    if folder.is_symlink():
        return False
    if folder.is_dir() and read_untrusted(folder, name, len(data) + 1) == data:
        return False
    write_file(folder / name, data)
    return True
