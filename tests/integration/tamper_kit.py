"""Changing packages: every single thing in one, and truly signing what is not so.

A mutation is made in a writable copy; ``examine`` copies and verifies it as the receiver does.
"""

from __future__ import annotations

import base64
import json
import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from exchange_kit import CITY, COLUMNS, LATER, REPORT, CityKit, CountyKit, make_city, make_county

from dagster_project.city.agreed import Agreed, Agreement
from dagster_project.city.verify import Expected, Verdict, verify
from dagster_project.protocol import dsse
from dagster_project.protocol.canonical import canonical_json, file_hashes
from dagster_project.protocol.folders import Limits, copy_untrusted
from dagster_project.protocol.manifest import PAYLOAD_TYPE
from dagster_project.protocol.site_card import SiteCard, read_card

DATA = "data/population_by_town.parquet"
JSON_FILES = ("datapackage.json", "status.json", "receipts.json", "signature.json")
AGREED = Agreed(
    columns=COLUMNS,
    own=COLUMNS,
    key=REPORT.key,
    title=REPORT.title,
    version=REPORT.version,
    hash=REPORT.hash,
    period=REPORT.period,
)
AGREEMENT: Agreement = {"population_by_town": AGREED}
Mutation = Callable[[Path], object]


@dataclass(frozen=True)
class Scene:
    """A city, a registered county, its sealed package and its card."""

    city: CityKit
    county: CountyKit
    folder: Path

    @property
    def card(self) -> SiteCard:
        """What the city trusts."""
        return read_card(self.county.home.public_file)


def make_scene(root: Path) -> Scene:
    """A package that has everything: figures, tasks, lineage, a receipt."""
    city = make_city(root)
    county = make_county(root, city)
    county.build()
    package = county.seal()
    assert package is not None
    return Scene(city, county, package.folder)


def examine(
    source: Path, work: Path, card: SiteCard | None, name: str = "", agreed: Agreed = AGREED
) -> Verdict:
    """Copy and verify a package as the receiver does."""
    shutil.rmtree(work / "copy", ignore_errors=True)
    copied = copy_untrusted(source, work / "copy", Limits(file_bytes=1 << 20))
    agreement = {"population_by_town": agreed}
    expected = Expected("140321", name or source.name, CITY, card, LATER, agreement=agreement)
    return verify(work / "copy", copied, expected)


def thaw(folder: Path, target: Path) -> Path:
    """A writable copy of a package under its own name."""
    copy = target / folder.name
    shutil.rmtree(copy, ignore_errors=True)
    shutil.copytree(folder, copy)
    for path in copy.rglob("*"):
        if path.is_file():
            path.chmod(0o644)
    return copy


def mutations(folder: Path) -> list[tuple[str, str, Mutation]]:
    """Every mutation: what it is, what its refusal must name, and how it is made."""
    return [*flips(folder), *fields(folder), *lines(), *folders()]


def flips(folder: Path) -> Iterator[tuple[str, str, Mutation]]:
    """One changed byte in every file: at both ends and spread over its length."""
    for path in sorted(p for p in folder.rglob("*") if p.is_file()):
        name, size = str(path.relative_to(folder)), path.stat().st_size
        for place in sorted({0, size - 1, *range(7, size, max(1, size // 24))}):

            def flip(copy: Path, name: str = name, place: int = place) -> None:
                body = bytearray((copy / name).read_bytes())
                body[place] ^= 0x01
                (copy / name).write_bytes(bytes(body))

            yield f"{name} byte {place}", name, flip
        for cut in (1, size // 2):

            def shorten(copy: Path, name: str = name, cut: int = cut) -> None:
                (copy / name).write_bytes((copy / name).read_bytes()[:-cut])

            yield f"{name} shortened by {cut}", name, shorten

        def lengthen(copy: Path, name: str = name) -> None:
            (copy / name).write_bytes((copy / name).read_bytes() + b" ")

        yield f"{name} lengthened", name, lengthen


def nodes(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[tuple[Any, ...], Any]]:
    """Every value of a JSON document with its path, containers included."""
    yield path, value
    if isinstance(value, dict | list):
        pairs = value.items() if isinstance(value, dict) else enumerate(value)
        for key, below in pairs:
            yield from nodes(below, (*path, key))


def changes(document: Any) -> Iterator[tuple[str, Any]]:
    """Documents in which one thing is different: a value, its type, a key more, a key less."""
    for path, value in nodes(document):
        place = ".".join(map(str, path))
        if isinstance(value, dict):
            yield f"{place} with a key more", _with(document, (*path, "surplus"), 1)
        elif isinstance(value, list):
            yield f"{place} with an item more", _with(document, path, [*value, 1])
        else:
            yield f"{place} changed", _with(document, path, other(value))
            yield f"{place} of another type", _with(document, path, [value])
        if path:
            yield f"without {place}", _without(document, path)


def other(value: Any) -> Any:
    """Another value of the same kind."""
    if isinstance(value, bool) or value is None:
        return not value
    return value + 1 if isinstance(value, int) else f"{value}x"


def fields(folder: Path) -> Iterator[tuple[str, str, Mutation]]:
    """One changed value in each JSON file, and in what the signature signs."""
    for name in JSON_FILES:
        for what, changed in changes(json.loads((folder / name).read_bytes())):

            def edit(copy: Path, name: str = name, changed: Any = changed) -> None:
                (copy / name).write_bytes(canonical_json(changed))

            yield f"{name} {what}", name, edit
    envelope = json.loads((folder / "signature.json").read_bytes())
    payload = json.loads(base64.b64decode(envelope["payload"]))
    for what, changed in changes(payload):

        def forge(copy: Path, changed: Any = changed) -> None:
            text = base64.b64encode(canonical_json(changed)).decode()
            (copy / "signature.json").write_bytes(canonical_json({**envelope, "payload": text}))

        yield f"payload {what}", "signature.json", forge


def lines() -> Iterator[tuple[str, str, Mutation]]:
    """The lines of the lineage: one more, one less, another order of a line's keys."""
    name = "lineage.ndjson"

    def more(copy: Path) -> None:
        (copy / name).write_bytes((copy / name).read_bytes() + b'{"eventType":"FAIL"}\n')

    def spelled(copy: Path) -> None:
        event = json.loads((copy / name).read_bytes())
        (copy / name).write_text(json.dumps(dict(reversed(event.items()))) + "\n")

    yield f"{name} with a line more", name, more
    yield f"{name} in another spelling", name, spelled


def folders() -> Iterator[tuple[str, str, Mutation]]:
    """Files that are missing, added, renamed, linked, huge or oddly named."""
    sorts: dict[str, Mutation] = {
        "missing": Path.unlink,
        "emptied": lambda path: path.write_bytes(b""),
        "renamed": lambda path: path.rename(path.with_name(f"{path.name}.bak")),
        "as a symbolic link": _link,
        "as a pipe": _pipe,
        "as a folder": _folder,
        "huge": lambda path: os.truncate(path, 2 << 20),
    }
    for name in (DATA, "lineage.ndjson", *JSON_FILES):
        for what, make in sorts.items():
            yield f"{name} {what}", name, _at(name, make)
    extra: dict[str, tuple[str, Mutation]] = {
        "extra.json": ("extra.json", Path.touch),
        "data/x.parquet": ("data/x.parquet", Path.touch),
        ".hidden": (".hidden", Path.touch),
        "a\nb": ("a\\nb", Path.touch),
        "pipe": ("pipe", os.mkfifo),
        "more": ("more", Path.mkdir),
        "data/more": ("data/more", Path.mkdir),
        "acknowledgement.json": ("acknowledgement.json", Path.touch),
    }
    for name, (named, make) in extra.items():
        yield f"with {named}", named, _at(name, make)
    yield (
        "with many files",
        "f",
        lambda copy: [(copy / f"f{n}").write_bytes(b"") for n in range(40)],
    )


def _at(name: str, make: Mutation) -> Mutation:
    return lambda copy: make(copy / name)


def signed_as(county: CountyKit, copy: Path, change: Callable[[dict[str, Any]], object]) -> None:
    """Sign a changed manifest, of the files as they are, with the sender's true key."""
    envelope = json.loads((copy / "signature.json").read_bytes())
    payload = json.loads(base64.b64decode(envelope["payload"]))
    for entry in payload["files"]:
        sha256, sm3 = file_hashes(copy / entry["path"])
        entry.update(bytes=(copy / entry["path"]).stat().st_size, sha256=sha256, sm3=sm3)
    change(payload)
    body = dsse.sign(county.signer, PAYLOAD_TYPE, canonical_json(payload))
    (copy / "signature.json").write_bytes(body)


def _with(document: Any, path: tuple[Any, ...], value: Any) -> Any:
    copy = json.loads(json.dumps(document))
    if not path:
        return value
    _node(copy, path)[path[-1]] = value
    return copy


def _without(document: Any, path: tuple[Any, ...]) -> Any:
    copy = json.loads(json.dumps(document))
    del _node(copy, path)[path[-1]]
    return copy


def _node(document: Any, path: tuple[Any, ...]) -> Any:
    for key in path[:-1]:
        document = document[key]
    return document


def _link(path: Path) -> None:
    target = path.parent.parent / f"elsewhere-{path.name}"
    path.replace(target)
    path.symlink_to(target)


def _pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def _folder(path: Path) -> None:
    path.unlink()
    path.mkdir()
