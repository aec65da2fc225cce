"""Several files of one delivery: one batch, whole or not at all, every row traced to its file."""

from __future__ import annotations

import hashlib
from pathlib import Path

import openpyxl
import pytest

from dagster_project.components.steps import overview
from dagster_project.components.steps.arriving.release import replay
from dagster_project.components.steps.occasion import manual
from dagster_project.components.steps.rebuild import rebuild_feed
from dagster_project.components.steps.summary import summary
from tests.delivery_kit import FOLDER, TITLES, County, Row, rows

PLACES = "SELECT permit_no, _sheet, _source_row FROM silver.permit ORDER BY permit_no"


def book(county: County, name: str, sheets: dict[str, list[Row]]) -> Path:
    """Deliver a workbook."""
    made = openpyxl.Workbook()
    made.remove(made.active)  # type: ignore[arg-type]
    for title, lines in sheets.items():
        sheet = made.create_sheet(title)
        for line in [TITLES, *lines]:
            sheet.append(list(line))
    made.save(county.root / "book.xlsx")
    return county.put_bytes(name, (county.root / "book.xlsx").read_bytes())


def sha256(path: Path) -> str:
    """A file's hash."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_a_snapshot_in_one_file_per_town_is_one_batch(tmp_path: Path) -> None:
    """No town deletes the others; the batch is named by its manifest and hashed over its parts."""
    county = County(tmp_path)
    towns = [county.put(f"许可_{town}.csv", rows(span)) for town, span in _TOWNS.items()]
    county.state("许可_五月", *towns)
    assert county.run().status == "success"
    assert len(county.live()) == 60
    digest = hashlib.sha256("".join(f"{sha256(town)}\n" for town in towns).encode()).hexdigest()
    assert county.ask("SELECT path, sha256, read FROM ops.batch") == [
        (f"{FOLDER}/许可_五月.manifest.json", digest, 60)
    ]
    files = county.ask("SELECT path, sheet_prefix, sha256 FROM ops.batch_file ORDER BY path")
    assert files == sorted((f"{FOLDER}/{t.name}", t.name, sha256(t)) for t in towns)
    assert all((county.workshop.home.landing / sha256(town)).exists() for town in towns)
    places = county.ask(PLACES)
    assert places[0] == ("P0", "许可_冠山镇.csv", 2)
    assert county.run().status == "skipped"
    before = county.ask("SELECT * FROM silver.permit ORDER BY permit_no")
    rebuild_feed(county.workshop, "permit")
    assert county.ask("SELECT * FROM silver.permit ORDER BY permit_no") == before


_TOWNS = {"冠山镇": range(30), "南坳镇": range(30, 50), "娘子关镇": range(50, 60)}


def test_a_delivery_in_parts_waits_for_the_last_one(tmp_path: Path) -> None:
    """Half of it changes nothing and is told; then all of it is merged at once."""
    county = County(tmp_path, ["parts, value: true"])
    county.put("许可_0.csv", rows(range(40)))
    county.run()
    county.put("许可_5月_1of2.csv", rows(range(20)))
    done = county.run()
    assert (done.status, len(county.live())) == ("skipped", 40)
    (told,) = summary(county.workshop, "none", {})["remarks"]
    assert "1 of 2 parts of this delivery are not there: part 2" in told
    county.put("许可_5月_2of2.csv", rows(range(20, 40)))
    assert county.run().status == "success"
    assert len(county.live()) == 40
    assert county.ask("SELECT max(path) FROM ops.batch") == [(f"{FOLDER}/许可_5月.csv",)]
    assert county.run().status == "skipped"
    assert summary(county.workshop, "none", {})["remarks"] == []


def test_parts_may_be_of_several_kinds_and_sheets(tmp_path: Path) -> None:
    """A text and a workbook: rows name file and sheet, rejected ones too; the batch both kinds."""
    words = ["sheets, value: all", "drift, value: {narrowed: note}"]
    county = County(tmp_path, words, delivery="incremental")
    text = county.put("许可_1.csv", [*rows(range(3)), ("P9", "一厂", "2023-02-31")])
    sheets = {"甲": rows(range(10, 12)), "乙": [*rows(range(20, 22)), ("P29", "二厂", "31/31")]}
    county.state("许可_五月", text, book(county, "许可_2.xlsx", sheets))
    done = county.run()
    assert (done.status, done.counts["accepted"], done.counts["rejected"]) == ("success", 7, 2)
    assert county.ask("SELECT format, encoding FROM ops.batch") == [("csv,xlsx", "utf-8")]
    assert ("P20", "许可_2.xlsx/乙", 2) in county.ask(PLACES)
    shown = overview.rejected_rows(county.workshop, "permit")
    assert sorted((one.file, one.sheet, one.row) for one in shown) == [
        (f"{FOLDER}/许可_1.csv", "", 5),
        (f"{FOLDER}/许可_2.xlsx", "乙", 4),
    ]


def test_one_bad_part_keeps_the_whole_delivery_out(tmp_path: Path) -> None:
    """The sentence names the file; a new file and manifest make it a new delivery."""
    county = County(tmp_path)
    good = county.put("许可_甲.csv", rows(range(5)))
    bad = county.put_bytes("许可_乙.csv", b"\x00\x01\x02 no table")
    county.state("许可_五月", good, bad)
    done = county.run()
    assert (done.status, county.ask("SELECT count(*) FROM ops.batch")) == ("failed", [(0,)])
    assert "许可_乙.csv" in done.error
    assert county.run().status == "skipped"
    assert not list((county.workshop.home.data / "bronze" / "permit").glob("*.parquet"))
    better = county.put("许可_乙.csv", rows(range(5, 9)))
    county.state("许可_五月", good, better)
    assert county.run().status == "success"
    assert len(county.live()) == 9


def test_a_file_that_is_not_what_the_manifest_states_is_refused(tmp_path: Path) -> None:
    """The same size and other bytes: refused once; a corrected manifest brings it in."""
    county = County(tmp_path, ["manifest, value: true"])
    file = county.put("许可_1.csv", rows(range(5)))
    assert county.run().status == "skipped"
    data = file.read_bytes()
    county.state("许可_1", file)
    county.put_bytes("许可_1.csv", data.replace(b"P0", b"P7"))
    done = county.run()
    assert done.status == "failed"
    assert "not the one that its manifest states: its SHA-256 differs" in done.error
    assert county.run().status == "skipped"
    county.state("许可_1", file)
    assert county.run().status == "success"
    assert county.live()[-1] == "P7"
    assert county.ask("SELECT path FROM ops.batch") == [(f"{FOLDER}/许可_1.csv",)]


def test_rows_that_a_manifest_states_are_counted(tmp_path: Path) -> None:
    """Four stated and five read: held with both numbers; released, it is merged."""
    county = County(tmp_path, delivery="incremental")
    file = county.put("许可_1.csv", rows(range(5)))
    county.state("许可_1", file, rows=4)
    assert county.run().status == "failed"
    (hold,) = county.holds()
    assert hold.kind == "rows"
    assert hold.findings == [{"path": f"{FOLDER}/许可_1.csv", "stated": 4, "read": 5}]
    done = replay(county.workshop, hold.hold_id, manual(), by="li", why="they miscounted")
    assert done.counts["accepted"] == 5
    right = county.put("许可_2.csv", rows(range(5, 8)))
    county.state("许可_2", right, rows=3)
    assert county.run().status == "success"


def test_a_held_delivery_of_several_files_is_released_whole(tmp_path: Path) -> None:
    """Its files come from the landing, although the inbox was emptied."""
    county = County(tmp_path)
    county.put("许可_0.csv", rows(range(100)))
    county.run()
    files = [county.put(f"许可_{n}.csv", rows(range(n, 100, 4))) for n in (1, 2)]
    county.state("许可_半", *files)
    county.run()
    (hold,) = county.holds()
    for file in files:
        file.unlink()
    done = replay(county.workshop, hold.hold_id, manual(), by="li", why="half moved away")
    assert (done.status, len(county.live())) == ("success", 50)
    assert len(county.ask("SELECT * FROM ops.batch_file")) == 2


@pytest.mark.parametrize("name", ["许可_1.csv", "许可_1.xlsx"])
def test_a_manifest_changes_nothing_about_a_single_file(tmp_path: Path, name: str) -> None:
    """It keeps its name and hash: the same bytes without the manifest are known."""
    county = County(tmp_path, delivery="incremental")
    lines = rows(range(3))
    file = county.put(name, lines) if name.endswith("csv") else book(county, name, {"表": lines})
    county.state("五月", file)
    assert county.run().status == "success"
    assert county.ask("SELECT path, sha256 FROM ops.batch") == [(f"{FOLDER}/{name}", sha256(file))]
    assert county.ask("SELECT count(*) FROM ops.batch_file") == [(0,)]
    (county.inbox / FOLDER / "五月.manifest.json").unlink()
    assert county.run().status == "skipped"
