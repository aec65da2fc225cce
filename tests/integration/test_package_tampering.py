"""Whatever is changed in a package, the city refuses it and says what is wrong."""

from __future__ import annotations

import base64
import json
import os
import shutil
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from exchange_kit import CITY, COLUMNS, START, CityKit, CountyKit, make_city, make_county

from dagster_project.city.verify import Expected, Verdict, verify
from dagster_project.protocol import dsse
from dagster_project.protocol.canonical import canonical_json, sha256_bytes
from dagster_project.protocol.folders import Limits, copy_untrusted
from dagster_project.protocol.manifest import PAYLOAD_TYPE
from dagster_project.protocol.site_card import SiteCard, read_card

SHAPES = {"population_by_town": COLUMNS}
Mutation = Callable[[Path], None]


@pytest.fixture(scope="module")
def sites(tmp_path_factory: pytest.TempPathFactory) -> tuple[CityKit, CountyKit, Path]:
    """A city, a registered county and its sealed package."""
    root = tmp_path_factory.mktemp("sites")
    city = make_city(root)
    county = make_county(root, city)
    county.build()
    package = county.seal()
    assert package is not None
    return city, county, package.folder


def examine(source: Path, work: Path, card: SiteCard | None, name: str = "") -> Verdict:
    """Copy and verify a package as the city does."""
    copied = copy_untrusted(source, work / "copy", Limits(file_bytes=1 << 20))
    expected = Expected("140321", name or source.name, CITY, card, SHAPES)
    return verify(work / "copy", copied, expected)


def thaw(folder: Path, target: Path) -> Path:
    """A writable copy of a package under its own name."""
    shutil.copytree(folder, target / folder.name)
    for path in (target / folder.name).rglob("*"):
        if path.is_file():
            path.chmod(0o644)
    return target / folder.name


def flips(folder: Path) -> Iterator[tuple[str, Mutation]]:
    """One changed byte in every file: at both ends and spread over its length."""
    for path in sorted(p for p in folder.rglob("*") if p.is_file()):
        name, size = str(path.relative_to(folder)), path.stat().st_size
        for place in sorted({0, size - 1, *range(7, size, max(1, size // 16))}):

            def flip(copy: Path, name: str = name, place: int = place) -> None:
                body = bytearray((copy / name).read_bytes())
                body[place] ^= 0x01
                (copy / name).write_bytes(bytes(body))

            yield f"{name}@{place}", flip


def leaves(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The path of every single value in a JSON document."""
    if isinstance(value, dict | list):
        pairs = value.items() if isinstance(value, dict) else enumerate(value)
        for key, below in pairs:
            yield from leaves(below, (*path, key))
    else:
        yield path


def other(value: Any) -> Any:
    """Another value of the same kind."""
    if isinstance(value, bool) or value is None:
        return not value
    return value + 1 if isinstance(value, int) else f"{value}x"


def changed(document: Any, path: tuple[Any, ...]) -> Any:
    """The document with one value changed."""
    copy = json.loads(json.dumps(document))
    node = copy
    for key in path[:-1]:
        node = node[key]
    node[path[-1]] = other(node[path[-1]])
    return copy


def fields(folder: Path) -> Iterator[tuple[str, Mutation]]:
    """One changed value in each JSON file, and in what the signature signs."""
    for name in ("datapackage.json", "status.json", "signature.json"):
        document = json.loads((folder / name).read_bytes())
        for path in leaves(document):

            def edit(copy: Path, name: str = name, path: tuple[Any, ...] = path) -> None:
                body = json.loads((copy / name).read_bytes())
                (copy / name).write_bytes(canonical_json(changed(body, path)))

            yield f"{name}:{'.'.join(map(str, path))}", edit
    envelope = json.loads((folder / "signature.json").read_bytes())
    payload = json.loads(base64.b64decode(envelope["payload"]))
    for path in leaves(payload):

        def resign(copy: Path, path: tuple[Any, ...] = path) -> None:
            text = base64.b64encode(canonical_json(changed(payload, path))).decode()
            (copy / "signature.json").write_bytes(canonical_json({**envelope, "payload": text}))

        yield f"payload:{'.'.join(map(str, path))}", resign


def folders() -> Iterator[tuple[str, Mutation]]:
    """Files that are missing, added, renamed, linked, huge or oddly named."""
    data = "data/population_by_town.parquet"
    for name in (data, "datapackage.json", "lineage.ndjson", "status.json", "signature.json"):
        yield f"without {name}", lambda copy, name=name: (copy / name).unlink()
        yield f"emptied {name}", lambda copy, name=name: _write(copy / name, b"")

        def link(copy: Path, name: str = name) -> None:
            target = copy.parent / "elsewhere"
            (copy / name).rename(target)
            (copy / name).symlink_to(target)

        yield f"linked {name}", link
    yield "an extra file", lambda copy: _write(copy / "extra.json", b"{}")
    yield "an extra data file", lambda copy: _write(copy / "data" / "x.parquet", b"")
    yield "a hidden file", lambda copy: _write(copy / ".hidden", b"")
    yield "a newline in a name", lambda copy: _write(copy / "a\nb", b"")
    yield "a pipe", lambda copy: os.mkfifo(copy / "pipe")
    yield "a folder", lambda copy: (copy / "more").mkdir()
    yield "a folder below data", lambda copy: (copy / "data" / "more").mkdir()
    yield "a huge file", lambda copy: os.truncate(copy / "status.json", 2 << 20)
    yield "many files", lambda copy: [_write(copy / f"f{n}", b"") for n in range(40)] and None


def _write(path: Path, body: bytes) -> None:
    path.write_bytes(body)


def test_the_untouched_package_is_sound(
    sites: tuple[CityKit, CountyKit, Path], tmp_path: Path
) -> None:
    """Without a change there is no fault, so the refusals below mean something."""
    _, county, folder = sites
    verdict = examine(folder, tmp_path, read_card(county.home.public_file))
    assert (verdict.genuine, verdict.faults) == (True, [])


def test_every_change_is_refused_with_its_reason(
    sites: tuple[CityKit, CountyKit, Path], tmp_path: Path
) -> None:
    """Each of some hundred changes makes the package not genuine, and the reason names its file."""
    _, county, folder = sites
    card = read_card(county.home.public_file)
    mutations = [*flips(folder), *fields(folder), *folders()]
    assert len(mutations) >= 150
    for number, (what, mutate) in enumerate(mutations):
        work = tmp_path / str(number)
        work.mkdir()
        copy = thaw(folder, work)
        mutate(copy)
        verdict = examine(copy, work, card)
        assert not verdict.genuine, what
        assert verdict.faults, what
        place = what.split("@")[0].split(":")[0].split(" ")[-1]
        named = {"payload": "signature.json"}.get(place, place)
        if "." in named and named != "signature.json":
            assert any(named in fault for fault in verdict.faults), (what, verdict.faults)
        shutil.rmtree(work)


def describe_anew(copy: Path, change: Callable[[dict[str, Any]], None]) -> None:
    """Change datapackage.json; ``signed_as`` signs it as it then is."""
    body = json.loads((copy / "datapackage.json").read_bytes())
    change(body)
    (copy / "datapackage.json").write_text(json.dumps(body), encoding="utf-8")


def signed_as(county: CountyKit, copy: Path, change: Callable[[dict[str, Any]], None]) -> None:
    """Sign a changed manifest with the county's true key."""
    envelope = json.loads((copy / "signature.json").read_bytes())
    payload = json.loads(base64.b64decode(envelope["payload"]))
    for entry in payload["files"]:
        body = (copy / entry["path"]).read_bytes()
        entry.update(bytes=len(body), sha256=sha256_bytes(body))
    change(payload)
    body = dsse.sign(county.signer, PAYLOAD_TYPE, canonical_json(payload))
    (copy / "signature.json").write_bytes(body)


@pytest.mark.parametrize(
    ("field", "value", "reason"),
    [
        ("sender", "140302", "package_id"),
        ("recipient", "140400", "addressed to site 140400"),
        ("package_no", 0, "start at 1"),
        ("package_no", 2, "previous_hash"),
        ("revision", 2, "package_id"),
        ("period", "2023-05", "period"),
        ("report", "../../etc", "report"),
        ("rows", 4, "rows"),
        ("rows", "3", "rows"),
        ("content_hash", "0" * 64, "content hash"),
        ("previous_hash", "0" * 64, "previous_hash"),
        ("replaces", "x", "replaces"),
        ("surplus", 1, "surplus"),
        ("cut_off_at", "2023-13-40T25:61:61Z", "header"),
        ("package_no", 2**70, "package_no"),
        ("snapshot", 2**53, "snapshot"),
    ],
)
def test_a_county_cannot_sign_what_is_not_so(
    sites: tuple[CityKit, CountyKit, Path], tmp_path: Path, field: str, value: object, reason: str
) -> None:
    """Even with the true key, a header that contradicts itself or the data is refused."""
    _, county, folder = sites
    copy = thaw(folder, tmp_path)
    signed_as(county, copy, lambda payload: payload["header"].update({field: value}))
    verdict = examine(copy, tmp_path, read_card(county.home.public_file))
    assert any(reason in fault for fault in verdict.faults), verdict.faults


def test_a_signature_of_another_site_counts_for_nothing(
    sites: tuple[CityKit, CountyKit, Path], tmp_path: Path
) -> None:
    """A package that another registered site signed is refused: its key is not this county's."""
    city, _, folder = sites
    verdict = examine(folder, tmp_path, read_card(city.home.public_file))
    assert "not registered" in verdict.faults[0]


def test_a_renamed_folder_is_refused(
    sites: tuple[CityKit, CountyKit, Path], tmp_path: Path
) -> None:
    """The folder's name is part of what is checked."""
    _, county, folder = sites
    card = read_card(county.home.public_file)
    verdict = examine(folder, tmp_path, card, name="140321-population_by_town-20230601-r1")
    assert "another name" in verdict.faults[0]


@pytest.mark.parametrize(
    "change",
    [
        lambda body: body.update(title="a\x00'; --"),
        lambda body: body.update(title="\ud800"),
        lambda body: body["resources"][0]["schema"]["fields"][0].update(title="\ud800\x00"),
        lambda body: body["resources"][0].update(rowCount=[3]),
        lambda body: body["resources"][0]["schema"].update(fields=[1] * len(COLUMNS)),
    ],
)
def test_one_county_cannot_stop_the_reception_of_another(
    tmp_path: Path, change: Callable[[dict[str, Any]], None]
) -> None:
    """Odd words in a truly signed description are cleaned or refused; the next county is taken."""
    city = make_city(tmp_path)
    odd, good = make_county(tmp_path, city), make_county(tmp_path, city, "140322", "盂县")
    for county in (odd, good):
        county.build()
        assert county.seal()
        county.deliver()
    (sealed,) = odd.up.iterdir()
    copy = thaw(sealed, tmp_path / "work")
    describe_anew(copy, change)
    signed_as(odd, copy, lambda _payload: None)
    shutil.rmtree(sealed)
    copy.rename(sealed)
    found = city.receive(shapes=SHAPES)
    assert found.remarks == []
    assert [one.outcome for one in found.decisions if one.site_code == "140322"] == ["accepted"]


def test_what_has_not_happened_yet_is_refused(tmp_path: Path) -> None:
    """A period that has not begun, and a cut-off in the future."""
    city = make_city(tmp_path)
    county = make_county(tmp_path, city)
    county.build()
    assert county.seal("2024Q1")
    assert county.seal("202305", cut_off_at=START + timedelta(days=365))
    county.deliver()
    decisions = city.receive().decisions
    assert [(one.outcome, one.consumed) for one in decisions] == [("rejected", True)] * 2
    assert "has not begun" in decisions[0].reasons[0]
    assert "lies in the future" in decisions[1].reasons[0]
