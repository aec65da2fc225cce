"""Clocks, contracts and sources that go back or ahead between two runs; a connection is cut."""

from __future__ import annotations

import dataclasses
import random
from datetime import timedelta
from pathlib import Path

import pytest
from source_kit import Table, county_of, of_postgres, of_sqlite

from dagster_project import clock
from dagster_project.components.steps.arriving import fetching
from tests.database_kit import reached, running_postgres
from tests.delivery_kit import County

ROW = "('{}', '{}', '2023-05-31', '{}')"
OLD, LATER = "2026-01-01 10:00:00", "2026-01-02 10:00:00"


@dataclasses.dataclass
class Ledger:
    """A county that follows a table of an SQLite file."""

    root: Path

    def __post_init__(self) -> None:
        self.table: Table = of_sqlite(self.root)
        self.county: County = county_of(self.table, self.root)

    def put(self, *rows: tuple[str, str, str]) -> None:
        """Insert or replace rows: number, holder, mark."""
        written = ", ".join(ROW.format(*row) for row in rows)
        self.table.run(f"REPLACE INTO licences VALUES {written}")

    def live(self) -> dict[str, str]:
        """The holders in silver."""
        assert self.county.run().error == ""
        query = "SELECT permit_no, holder FROM silver.permit WHERE NOT _is_deleted"
        return dict(self.county.ask(query))

    def reached(self) -> str | None:
        """The last watermark."""
        query = "SELECT until FROM ops.delivery ORDER BY received_at DESC LIMIT 1"
        return str(self.county.ask(query)[0][0])


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    """One row was taken."""
    made = Ledger(tmp_path)
    made.put(("A", "1厂", OLD))
    assert made.live() == {"A": "1厂"}
    return made


def test_a_clock_that_was_set_back_makes_nothing_older(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A change that is received at an earlier hour than the row it changes wins all the same."""
    now = clock.now
    monkeypatch.setattr(clock, "now", lambda: now() - timedelta(days=2))
    ledger.put(("A", "2厂", LATER))
    assert ledger.live() == {"A": "2厂"}
    assert ledger.reached() == LATER


@pytest.mark.thorough
def test_a_mark_that_lies_ahead_hides_nothing(ledger: Ledger) -> None:
    """What is written at the right time after a row of tomorrow arrives."""
    now = clock.now().astimezone(clock.SHANGHAI)
    ahead, right = (f"{now + by:%Y-%m-%d %H:%M:%S}" for by in (timedelta(hours=20), timedelta()))
    ledger.put(("B", "1厂", ahead))
    assert ledger.live() == {"A": "1厂", "B": "1厂"}
    assert ledger.reached() == OLD
    ledger.put(("C", "1厂", right))
    assert sorted(ledger.live()) == ["A", "B", "C"]
    assert ledger.reached() == right


@pytest.mark.thorough
def test_a_source_that_was_restored_is_read_again(ledger: Ledger) -> None:
    """An older state, and what was written into it since, replaces what was known of its rows."""
    ledger.put(("A", "2厂", LATER))
    assert ledger.live() == {"A": "2厂"}
    ledger.table.run("DELETE FROM licences")
    ledger.put(("A", "1厂", OLD))
    assert ledger.live() == {"A": "1厂"}, "the very bytes of an older extract"
    assert ledger.reached() == OLD
    ledger.put(("B", "1厂", OLD))
    assert ledger.live() == {"A": "1厂", "B": "1厂"}


@pytest.mark.thorough
def test_a_word_among_times_hides_nothing(ledger: Ledger) -> None:
    """A row whose time of change says `none` comes every time; an emptied table is no fault."""
    ledger.put(("B", "1厂", "无"))
    assert ledger.live() == {"A": "1厂", "B": "1厂"}
    assert ledger.reached() == OLD
    ledger.put(("C", "1厂", LATER))
    assert sorted(ledger.live()) == ["A", "B", "C"]
    assert ledger.reached() == LATER
    ledger.table.run("DELETE FROM licences")
    assert sorted(ledger.live()) == ["A", "B", "C"]


@pytest.mark.thorough
def test_another_watermark_begins_from_the_beginning(ledger: Ledger) -> None:
    """What one column reached says nothing of another one."""
    contract = ledger.county.workshop.schemas / "feeds" / "permit.yaml"
    words = contract.read_text().replace("column: updated_at", "column: issued_date")
    contract.write_text(words.replace("version: 1.0.0", "version: 1.1.0"))
    ledger.county.workshop = ledger.county.workshop.renewed()
    ledger.put(("B", "1厂", OLD))
    assert ledger.live() == {"A": "1厂", "B": "1厂"}
    assert ledger.reached() == "2023-05-31"


@pytest.mark.thorough
def test_an_extract_is_of_no_period_that_its_name_states(tmp_path: Path) -> None:
    """The name says when it was made; rows of other months are no reason to hold it."""
    made = Ledger(tmp_path)
    contract = made.county.workshop.schemas / "feeds" / "permit.yaml"
    period = "  - {property: period, value: {pattern: YYYYMM, column: issued_date}}\nschema:\n"
    contract.write_text(contract.read_text().replace("schema:\n", period))
    made.county.workshop = made.county.workshop.renewed()
    assert not made.county.workshop.contracts.problems
    made.put(("A", "1厂", OLD))
    assert made.live() == {"A": "1厂"}
    assert made.county.holds("") == []


@pytest.mark.xdist_group("databases")
def test_a_connection_that_is_cut_takes_every_row_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In the middle of a slice the server is gone; the same run asks again and goes on."""
    monkeypatch.setattr(fetching, "BACKOFF_S", (0.01, 0.01))
    cuts = [30_000, 30_000]
    with running_postgres() as server, reached(server.socket, cuts) as port:
        source = of_postgres(server, port)
        for name, value in source.secrets.items():
            monkeypatch.setenv(name, value)
        county = county_of(source, tmp_path)
        source.change(random.Random(1))  # noqa: S311 - no secret
        source.change(random.Random(2))  # noqa: S311 - no secret
        done = county.run()
    assert (done.status, done.error, cuts) == ("success", "", [])
    rows = len(source.records)
    assert len(county.live()) == rows
    assert county.ask("SELECT sum(accepted), count(*) > 1 FROM ops.batch") == [(rows, True)]
    assert [*(county.workshop.home.spool / "permit" / "civil").iterdir()] == []
