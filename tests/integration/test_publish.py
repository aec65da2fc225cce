"""The read replica of a real lake, as analysts and other processes find it."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import duckdb
import pytest

from dagster_project.contracts import load
from dagster_project.contracts.model import Column, Contracts, Feed, Reference, Sla, Table
from dagster_project.lake import Lake, maintenance
from dagster_project.lake.publish import connect, current, export, publish, replica_path
from dagster_project.paths import PROJECT, Home
from dagster_project.privacy import replica
from dagster_project.privacy.pseudonym import Secret
from dagster_project.settings import Settings

AT = datetime(2026, 3, 2, 4, 0, tzinfo=UTC)
SECRET = Secret("test", bytes(range(32)))


def text(name: str, title: str, **more: object) -> Column:
    """A text column."""
    return Column(name, title, "string", **more)  # type: ignore[arg-type]


def feed(name: str, title: str, *columns: Column) -> Feed:
    """A feed of these columns."""
    return Feed(name, title, "1.0.0", "03", "公安局", columns, (), "full", ("*.csv",), Sla())


CONTRACTS = Contracts(
    feeds={
        "population": feed(
            "population",
            "实有人口",
            text("person_no", "人员编号", key_position=1),
            text("id_no", "公民身份号码", level="L4", format="resident_id", mask="id"),
            text("name", "姓名", level="L3", format="person_name", mask="name"),
            text("phone", "联系电话", level="L3", format="phone", mask="phone"),
            text("addr_text", "现住地址", level="L3", mask="address"),
            text(
                "house_code",
                "房屋编码",
                level="L3",
                mask="drop",
                reference=Reference("house", "house_code", rejects=True),
            ),
            text("remark", "备注", level="L2", textual=True),
        ),
        "house": feed(
            "house",
            "实有房屋",
            text("house_code", "房屋编码", key_position=1, level="L3", mask="drop"),
            Column("area_m2", "建筑面积", "decimal", unit="㎡"),
        ),
        "certificate": feed("certificate", "证照", text("cert_no", "证号", key_position=1)),
    },
    tables={
        ("gold", "population_by_town"): Table(
            "population_by_town", "gold", "各镇人口", "1.0.0", columns=(text("town", "乡镇"),)
        )
    },
    codes={},
)
PLAN = replica.plan(CONTRACTS)
TECHNICAL = "'b1' AS _batch_id, '' AS _sheet, n AS _source_row, md5(n::VARCHAR) AS _record_hash"
PERSONAL = ("14032119900307", "王小明", "1380000", "东关村12号", "张三丰", "6217000")


def commit(lake: Lake, *statements: str) -> None:
    """Commit statements to the lake."""
    with lake.writer("test") as writer, writer.transaction("test"):
        for statement in statements:
            writer.con.execute(statement)


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    """A lake with people, houses, an aggregate, and ops rows that hold cells."""
    made = Lake(Home(tmp_path / "平定 county's"), Settings(lock_timeout_s=30))
    commit(
        made,
        "CREATE TABLE silver.population AS SELECT 'P' || n AS person_no,"
        " '14032119900307' || lpad(n::VARCHAR, 4, '0') AS id_no, '王小明' AS name,"
        " '1380000' || lpad(n::VARCHAR, 4, '0') AS phone,"
        " '平定县冠山镇东关村12号' AS addr_text, 'H' || (n // 2) AS house_code,"
        f" '电话13800001234' AS remark, {TECHNICAL} FROM range(100) AS t (n)",
        f"CREATE TABLE silver.house AS SELECT 'H' || n AS house_code, {TECHNICAL}"
        " FROM range(50) AS t (n)",
        "CREATE TABLE gold.population_by_town AS SELECT '冠山镇' AS town, 100 AS person_cnt",
        "INSERT INTO ops.quarantine VALUES ('b1', 'population', '王小明', 7, '140321199003070001',"
        " ['id_no.format'], '{\"姓名\": \"张三丰\"}')",
        "INSERT INTO ops.repair VALUES"
        " ('b1', 'population', '', 7, 'phone', 'phone_clean', '138-0000-1234', '13800001234')",
        "INSERT INTO ops.dropped_row VALUES ('b1', 'population', '', 1, 'title', '王小明 名册')",
        "INSERT INTO ops.control_total VALUES"
        " ('b1', 'population', '张三丰', 9, 'amount', '1,234.5', '1234.50', true),"
        " ('b1', 'population', '', 10, 'name', '王小明', NULL, false)",
        "INSERT INTO ops.batch_rule (batch_id, feed, rule_id, kind, dimension, column_name,"
        " checked, failed) VALUES"
        " ('b1', 'population', 'id_no.format', 'rule', 'accuracy', 'id_no', 100, 1)",
    )
    return made


def published(lake: Lake, at: datetime = AT) -> bool:
    """Publish; tells whether anything was made."""
    return publish(lake, PLAN, at=at, parameters=SECRET.parameters, key_id=SECRET.key_id)[1]


def copies(lake: Lake) -> set[str]:
    """The masked copies that exist."""
    return {path.name for path in (lake.home.published / "silver").iterdir()}


def test_plain_duckdb_opens_it(lake: Lake) -> None:
    """Another process with plain DuckDB, no extension to load, sees tables, views and comments."""
    published(lake)
    script = (
        "import duckdb, json, sys\n"
        "con = duckdb.connect(sys.argv[1], read_only=True, config={"
        "'autoinstall_known_extensions': 'false', 'autoload_known_extensions': 'false',"
        " 'extension_directory': '/nonexistent'})\n"
        "one = lambda sql: con.execute(sql).fetchall()\n"
        "print(json.dumps([one('SELECT current_database()'),"
        " one('SELECT count(*), min(id_no) FROM silver.population'),"
        " one('SELECT town, person_cnt FROM gold.population_by_town'),"
        " one(\"SELECT comment FROM duckdb_views() WHERE view_name = 'population'\"),"
        " one(\"SELECT comment FROM duckdb_columns() WHERE table_name = 'population'"
        " AND column_name IN ('id_no', 'person_no_pseudonym') ORDER BY column_index\"),"
        " one(\"SELECT comment FROM duckdb_tables() WHERE table_name = 'batch_rule'\")]))\n"
    )
    file = lake.home.published / "current" / "county.duckdb"
    done = subprocess.run(
        [sys.executable, "-c", script, str(file)], capture_output=True, text=True, check=True
    )
    name, people, towns, view, columns, table = json.loads(done.stdout)
    assert name == [["county"]]
    assert people == [[100, "140321********0000"]]
    assert towns == [["冠山镇", 100]]
    assert view == [["实有人口（公安局，已脱敏）"]]
    assert columns == [["人员编号（假名，用于关联）"], ["公民身份号码（已脱敏）"]]
    assert table[0][0].startswith("批次规则计数")


def test_no_person_is_in_it(lake: Lake, tmp_path: Path) -> None:
    """No table, view or exported table holds an id, a name, a number or a cell as it was sent."""
    published(lake)
    file = export(lake, PLAN, tmp_path / "to", parameters=SECRET.parameters)
    for con in (connect(lake.home), duckdb.connect(str(file), read_only=True)):
        with con:
            names = con.execute(
                "SELECT table_schema, table_name FROM information_schema.tables"
            ).fetchall()
            assert len(names) > 10
            for schema, table in names:
                rows = con.execute(f"SELECT t::VARCHAR FROM {schema}.{table} AS t").fetchall()
                said = "\n".join(row for (row,) in rows)
                assert not [part for part in PERSONAL if part in said], (schema, table)
            assert {t for s, t in names if s == "ops"}.isdisjoint(
                {"quarantine", "repair", "dropped_row"}
            )


def test_what_went_wrong_is_there_as_counts(lake: Lake) -> None:
    """Rules, dropped rows and stated totals are counted without their text."""
    published(lake)
    with connect(lake.home) as con:
        assert con.execute("SELECT rule_id, failed FROM ops.batch_rule").fetchall() == [
            ("id_no.format", 1)
        ]
        assert con.execute("SELECT kind, row_count FROM ops.dropped_row_count").fetchall() == [
            ("title", 1)
        ]
        totals = con.execute("SELECT stated FROM ops.control_total ORDER BY source_row").fetchall()
    assert [None if value is None else float(value) for (value,) in totals] == [1234.5, None]


def test_masked_tables_still_join(lake: Lake) -> None:
    """The house that is masked in both tables joins by its pseudonym, which the key computes."""
    published(lake)
    with connect(lake.home) as con:
        joined = con.execute(
            "SELECT count(*), count(p.house_code), min(h.house_code_pseudonym)"
            " FROM silver.population AS p JOIN silver.house AS h USING (house_code_pseudonym)"
            " WHERE p.person_no = 'P6'"
        ).fetchone()
    assert joined == (1, 0, SECRET.of("house.house_code", "H3"))


def test_without_a_key_there_are_no_pseudonyms(lake: Lake) -> None:
    """A site without a pseudonym key publishes the masked columns alone."""
    publish(lake, PLAN, at=AT)
    with connect(lake.home) as con:
        shown = {row[0] for row in con.execute("DESCRIBE silver.population").fetchall()}
    assert "id_no" in shown
    assert not [name for name in shown if name.endswith("_pseudonym")]


def test_only_changed_tables_are_written_again(lake: Lake) -> None:
    """A masked copy is kept until a row of its table is added, changed or removed."""
    published(lake)
    first = copies(lake)
    commit(lake, "INSERT INTO ops.task_run (run_id) VALUES ('r1')")
    assert published(lake)
    assert copies(lake) == first
    commit(lake, "DELETE FROM silver.house WHERE house_code = 'H49'")
    assert published(lake)
    new = copies(lake) - first
    assert [name.split("-")[0] for name in new] == ["house"]
    with connect(lake.home) as con:
        assert con.execute("SELECT count(*) FROM silver.house").fetchone() == (49,)


def test_publishing_the_same_again_does_nothing(lake: Lake) -> None:
    """The same snapshot in the same form is published once; another mask is another form."""
    assert published(lake)
    before = replica_path(lake.home)
    assert not published(lake)
    assert replica_path(lake.home) == before
    assert publish(lake, PLAN, at=AT, parameters=Secret("k", b"k" * 32).parameters, key_id="k")[1]
    assert replica_path(lake.home) != before
    assert before.exists()


def test_a_process_that_has_it_open_sees_the_new_one(lake: Lake) -> None:
    """Publishing under versioned names: an open replica stays as it is, the next open is new."""
    published(lake)
    with connect(lake.home) as old:
        commit(lake, "UPDATE gold.population_by_town SET person_cnt = 101")
        published(lake)
        with connect(lake.home) as new:
            assert new.execute("SELECT person_cnt FROM gold.population_by_town").fetchone() == (
                101,
            )
        assert old.execute("SELECT person_cnt FROM gold.population_by_town").fetchone() == (100,)


def test_nobody_can_write_into_it(lake: Lake) -> None:
    """Replica, record and masked copies have mode 0444."""
    published(lake)
    files = [path for path in lake.home.published.rglob("*") if path.is_file()]
    assert len(files) == 4
    assert {stat.S_IMODE(path.stat().st_mode) for path in files} == {0o444}


def test_a_query_reaches_no_other_file(lake: Lake) -> None:
    """The connection for users' SQL reads the replica's folder and nothing else."""
    published(lake)
    with connect(lake.home) as con, pytest.raises(duckdb.PermissionException):
        con.execute("SELECT content FROM read_text('/etc/hostname')")
    with connect(lake.home) as con, pytest.raises(duckdb.InvalidInputException):
        con.execute("SET enable_external_access = true")


def test_old_replicas_stay_a_week(lake: Lake) -> None:
    """After a week a former replica and the copies that only it read are removed."""
    published(lake)
    first = replica_path(lake.home)
    commit(lake, "UPDATE silver.house SET _batch_id = 'b2'")
    published(lake, AT + timedelta(days=1))
    assert len(copies(lake)) == 3
    assert maintenance.gc(lake, at=AT + timedelta(days=6)) == maintenance.Removed()
    told = maintenance.gc(lake, at=AT + timedelta(days=7, hours=1), dry_run=True)
    assert first.exists()
    done = maintenance.gc(lake, at=AT + timedelta(days=7, hours=1))
    assert done == told
    assert (len(done.replicas), len(done.shared)) == (1, 1)
    assert not first.exists()
    assert len(copies(lake)) == 2
    maintenance.gc(lake, at=AT + timedelta(days=99))
    with connect(lake.home) as con:
        assert con.execute("SELECT count(*) FROM silver.population").fetchone() == (100,)


def test_a_moved_home_publishes_anew(lake: Lake, tmp_path: Path) -> None:
    """Views hold absolute paths, so a home that was moved is published again on request."""
    published(lake)
    lake.home.root.rename(tmp_path / "moved")
    moved = Lake(Home(tmp_path / "moved"), lake.settings)
    assert published(moved)
    with connect(moved.home) as con:
        assert con.execute("SELECT count(*) FROM silver.population").fetchone() == (100,)


def test_an_exported_file_stands_alone(lake: Lake, tmp_path: Path) -> None:
    """`publish --to` writes one file that opens anywhere, and replaces a former one."""
    for _ in range(2):
        made = export(lake, PLAN, tmp_path / "to", parameters=SECRET.parameters)
    assert [path.name for path in (tmp_path / "to").iterdir()] == ["county.duckdb"]
    carried = tmp_path / "elsewhere" / "county.duckdb"
    carried.parent.mkdir()
    made.rename(carried)
    lake.home.root.rename(tmp_path / "gone")
    with duckdb.connect(str(carried), read_only=True) as con:
        assert con.execute("SELECT count(*) FROM silver.population").fetchone() == (100,)


def test_maintenance_removes_only_what_nobody_knows(lake: Lake) -> None:
    """Scratch of dead processes and old files no snapshot knows go; living ones stay."""
    home = lake.home
    dead = subprocess.run(
        [sys.executable, "-c", "import os; print(os.getpid())"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout.strip()
    left = home.scratch / f"reader-{dead}-x.sqlite"
    mine = home.scratch / f"reader-{os.getpid()}-x.sqlite"
    orphan = home.data / "silver" / "house" / "ducklake-orphan.parquet"
    fresh = home.data / "silver" / "house" / "ducklake-fresh.parquet"
    for path in (left, mine, orphan, fresh):
        path.write_bytes(b"x")
    now = datetime.now(UTC)
    os.utime(orphan, (time.time() - 200_000,) * 2)
    done = maintenance.gc(lake, at=now)
    assert done.scratch == (str(left.relative_to(home.root)),)
    assert done.orphans == (str(orphan.relative_to(home.root)),)
    assert (left.exists(), mine.exists(), orphan.exists(), fresh.exists()) == (
        False,
        True,
        False,
        True,
    )
    with lake.reader() as con:
        assert con.execute("SELECT count(*) FROM silver.house").fetchone() == (50,)


def test_every_contract_can_be_published(lake: Lake) -> None:
    """Each feed's masks and pseudonyms fit the types of its silver table."""
    contracts = load(PROJECT / "schemas")
    technical = '"_batch_id" VARCHAR, "_source_row" BIGINT, "_is_deleted" BOOLEAN'
    made = [
        statement
        for feed in contracts.feeds.values()
        for statement in (
            f'DROP TABLE IF EXISTS silver."{feed.name}"',
            f'CREATE TABLE silver."{feed.name}" ('
            + ", ".join(f'"{column.name}" {column.duck_type}' for column in feed.columns)
            + f", {technical})",
            f'INSERT INTO silver."{feed.name}" (_source_row) VALUES (1)',
        )
    ]
    commit(lake, *made)
    publish(lake, replica.plan(contracts), at=AT, parameters=SECRET.parameters)
    with connect(lake.home) as con:
        for feed in contracts.feeds.values():
            shown = con.execute(f'SELECT * FROM silver."{feed.name}"').fetchall()
            assert len(shown) == 1
            assert {value for value in shown[0] if value is not None} == {1}


ENDLESS = """
import sys
from datetime import UTC, datetime
from pathlib import Path
sys.path.insert(0, sys.argv[2])
from test_publish import PLAN, SECRET, commit
from dagster_project.lake import Lake
from dagster_project.lake.publish import publish
from dagster_project.paths import PROJECT, Home
from dagster_project.settings import Settings
lake = Lake(Home(Path(sys.argv[1])), Settings())
while True:
    commit(lake, "UPDATE silver.house SET _batch_id = 'b2'")
    publish(lake, PLAN, at=datetime(2026, 3, 2, tzinfo=UTC), parameters=SECRET.parameters)
    print("published", flush=True)
"""


@pytest.mark.thorough
@pytest.mark.slow
def test_a_kill_leaves_the_replica_whole(lake: Lake) -> None:
    """Publishers killed at any moment: `current` always opens and reads, no folder is half made."""
    for pause in (0.03, 0.11, 0.19, 0.27, 0.35):
        command = [sys.executable, "-c", ENDLESS, str(lake.home.root), str(Path(__file__).parent)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            assert process.stdout.readline() == "published\n"
            time.sleep(pause)
            process.kill()
        with connect(lake.home) as con:
            assert con.execute("SELECT count(*) FROM silver.house").fetchone() == (50,)
        for folder in lake.home.published.iterdir():
            if folder.name.isdigit():
                assert {path.name for path in folder.iterdir()} == {"county.duckdb", "replica.json"}
    commit(lake, "DELETE FROM silver.house")
    assert published(lake)
    maintenance.gc(lake, at=AT)
    assert list(lake.home.scratch.glob("publish-*")) == []
    assert current(lake.home) is not None
