"""Which records differ between two snapshots of silver: kind, place, column names, no cell."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from dagster_project.components.steps.explaining.records import Changed, by_batch, compare, rows
from dagster_project.contracts.model import Column, Feed, Level, Sla
from dagster_project.lake import Lake, Writer
from dagster_project.lake.snapshots import current_snapshot
from dagster_project.paths import Home
from dagster_project.privacy.suppress import suppress
from dagster_project.settings import Settings
from dagster_project.transform.models import stage

LIVE, GONE = "FALSE", "TRUE"


def feed(level: Level = "L2") -> Feed:
    """A feed of persons whose key has a level."""
    return Feed(
        name="person",
        title="人员",
        version="1.0.0",
        department_code="gongan",
        department_name="公安局",
        columns=(
            Column("id_no", "身份证号", "string", key_position=1, level=level),
            Column("phone", "电话", "string", level="L3"),
            Column("town", "乡镇", "string"),
        ),
        rules=(),
        delivery="full",
        servers=(),
        sla=Sla(),
    )


@pytest.fixture
def writer(tmp_path: Path) -> Iterator[Writer]:
    """A lake with four persons of one batch."""
    with Lake(Home(tmp_path), Settings(threads=1)).writer("testing") as writer:
        with writer.transaction("first"):
            writer.con.execute(
                "CREATE TABLE silver.person (id_no VARCHAR, phone VARCHAR, town VARCHAR,"
                " _batch_id VARCHAR, _sheet VARCHAR, _source_row BIGINT, _record_hash VARCHAR,"
                " _delivered_at TIMESTAMPTZ, _is_deleted BOOLEAN)"
            )
            batch(writer, "b1", 1, "人员_1.csv")
            for number in range(1, 5):
                person(writer, f"p{number}", "138", "甲", "b1", number + 1)
        yield writer


def batch(writer: Writer, name: str, hour: int, path: str, source: str | None = None) -> None:
    """A batch and its delivery; with ``source`` a replay."""
    at = f"2023-05-31 {hour:02d}:00:00+00"
    writer.con.execute(
        "INSERT INTO ops.batch (batch_id, source_batch_id, feed, contract_version, sha256, path,"
        " delivered_at, committed_at) VALUES (?, ?, 'person', '1.0.0', ?, ?, ?::TIMESTAMPTZ,"
        " ?::TIMESTAMPTZ)",
        [name, source, name * 32, path, at, at],
    )
    if source is None:
        writer.con.execute(
            "INSERT INTO ops.delivery (feed, channel, received_at, outcome, batch_id)"
            " VALUES ('person', 'sftp', ?::TIMESTAMPTZ, 'merged', ?)",
            [at, name],
        )


def person(  # noqa: PLR0917 - a row has columns
    writer: Writer, key: str, phone: str, town: str, of: str, row: int, deleted: str = LIVE
) -> None:
    """One row of silver in the place of the one before."""
    writer.con.execute("DELETE FROM silver.person WHERE id_no = ?", [key])
    writer.con.execute(
        f"INSERT INTO silver.person VALUES (?, ?, ?, ?, 'Sheet1', ?, 'h', now(), {deleted})",
        [key, phone, town, of, row],
    )


def changed(writer: Writer, second: str = "b2") -> tuple[int, int]:
    """A second batch: p1 corrected, p2 gone, p3 the same again, p5 new; both snapshots."""
    old = current_snapshot(writer.con)
    with writer.transaction("second"):
        batch(writer, second, 2, "人员_2.csv")
        person(writer, "p1", "139", "乙", second, 2)
        person(writer, "p2", "138", "甲", "b1", 3, GONE)
        person(writer, "p3", "138", "甲", second, 4)
        person(writer, "p5", "137", "甲", second, 5)
    return old, current_snapshot(writer.con)


def counts(found: Changed) -> dict[str, int]:
    """How many records of each kind."""
    return {str(kind): count for kind, count in found.counts.items()}


def test_what_came_changed_and_went_is_told_apart(writer: Writer) -> None:
    """The same record delivered again is no change; one that a full snapshot lacks is removed."""
    old, new = changed(writer)
    with stage(writer.con, suppress) as on:
        found = compare(on, feed(), old, new)
        assert counts(found) == {"new": 1, "corrected": 1, "removed": 1}
        assert found.columns == ("phone", "town")
        told = by_batch(on, found, new)
        assert {(one["kind"], one["batch_id"], one["channel"], one["path"]) for one in told} == {
            (kind, "b2", "sftp", "人员_2.csv") for kind in ("new", "corrected", "removed")
        }
        by_kind = {one["kind"]: one for one in rows(on, found, new)}
    assert by_kind["corrected"]["key"] == "p1"
    assert by_kind["corrected"]["columns"] == ["phone", "town"]
    assert (by_kind["corrected"]["before"]["row"], by_kind["corrected"]["after"]["row"]) == (2, 2)
    assert "before" not in by_kind["new"]
    assert "after" not in by_kind["removed"]


def test_personal_keys_and_cells_are_not_shown(writer: Writer) -> None:
    """With a key of level L3 a record is named by its place alone, and never by a cell."""
    old, new = changed(writer)
    with stage(writer.con, suppress) as on:
        found = compare(on, feed("L3"), old, new)
        told = json.dumps([by_batch(on, found, new), rows(on, found, new)], default=str)
    for cell in ('"p1"', "138", "139"):
        assert cell not in told


def test_the_same_delivery_judged_anew_is_its_own_kind(writer: Writer) -> None:
    """A row of a batch that was there before changes only because it was judged by another rule."""
    old = current_snapshot(writer.con)
    with writer.transaction("rebuild"):
        batch(writer, "b1-r1", 3, "人员_1.csv", source="b1")
        writer.con.execute("UPDATE ops.batch SET contract_version = '1.1.0' WHERE feed = 'person'")
        person(writer, "p1", "138", "乙", "b1", 2)
        writer.con.execute("DELETE FROM silver.person WHERE id_no = 'p2'")
    new = current_snapshot(writer.con)
    with stage(writer.con, suppress) as on:
        found = compare(on, feed(), old, new)
        assert counts(found) == {"rejudged": 2}
        assert {one["judged_by"] for one in by_batch(on, found, new)} == {"1.1.0"}


def test_some_changes_can_be_made_alone(writer: Writer) -> None:
    """Silver as it would be with only new records, then corrected ones too, then all."""
    old, new = changed(writer)
    with stage(writer.con, suppress) as on:
        found = compare(on, feed(), old, new)
        made = [found.mixed(old, new, found.parts[:number]) for number in range(4)[1:]]
        lives = [
            on.con.execute(
                f"SELECT list(id_no || town ORDER BY id_no) FROM ({select}) WHERE NOT _is_deleted"
            ).fetchone()
            for select in made
        ]
    assert [part.kind for part in found.parts] == ["new", "corrected", "removed"]
    assert lives == [
        (["p1甲", "p2甲", "p3甲", "p4甲", "p5甲"],),
        (["p1乙", "p2甲", "p3甲", "p4甲", "p5甲"],),
        (["p1乙", "p3甲", "p4甲", "p5甲"],),
    ]
    many = replace(found, batches=found.batches * 5)
    assert [(part.kind, part.batch_id, part.records) for part in many.parts] == [
        ("new", "", 5),
        ("corrected", "", 5),
        ("removed", "", 5),
    ]


def test_a_file_of_several_is_named(writer: Writer) -> None:
    """Of a batch of several files, the file and the sheet that the row really stood in."""
    old, new = changed(writer)
    with writer.transaction("parts"):
        writer.con.execute(
            "INSERT INTO ops.batch_file (batch_id, feed, sheet_prefix, path, sha256)"
            " VALUES ('b2', 'person', 'Sheet1', '人员_2之2.csv', 'f2')"
        )
    new = current_snapshot(writer.con)
    with stage(writer.con, suppress) as on:
        found = compare(on, feed(), old, new)
        after = {one["after"]["file"] for one in rows(on, found, new) if "after" in one}
    assert after == {"人员_2之2.csv"}
