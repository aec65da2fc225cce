"""A source that nobody has described, to a contract, to silver rows: without an edit between."""

from __future__ import annotations

import csv
import os
import shutil
import sqlite3
from collections import Counter
from datetime import timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dagster_project.clock import now
from dagster_project.components.steps.describing.inferring import Inference, infer, told, written
from dagster_project.components.steps.describing.origins import Asked, bare, frequency, glob
from dagster_project.components.steps.feed import run_feed
from dagster_project.components.steps.occasion import Occasion
from dagster_project.components.steps.workshop import Workshop
from dagster_project.contracts import load, load_one
from dagster_project.contracts.inference.dictionary import folded
from dagster_project.contracts.model import Contracts, Problem
from dagster_project.errors import ContractError, CountyLakeError, UsageError
from dagster_project.paths import PROJECT, SAMPLES, schemas_dir
from tests.conftest import founded_county
from tests.database_kit import PASSWORD, READER, reached, running_postgres
from tests.interface_kit import Interface, records, serving

SCHEMAS = PROJECT / "schemas"
DEPARTMENT = ("someone", "某局")
FILES = {
    "asset": "资产台账", "bank_account": "银行账户", "collective_org": "集体经济组织",
    "component": "城市部件", "contract": "合同台账", "division": "行政区划", "grid": "网格",
    "hotline_order": "热线工单", "house": "实有房屋", "payment": "三资支付",
    "payment_approval": "支付审批", "population": "实有人口", "resource": "资源台账",
    "voucher_line": "凭证分录",
}  # fmt: skip
FAULTY = ("D12_日期各式.csv", "W07_合并表头与标题.xlsx")
MORE_FAULTY = ("D15_金额各式.csv", "D16_百分比.csv", "D20_csv改名.xlsx", "E07_big5_cp950.csv",
               "T03_竖线.txt", "W40_biff8.xls", "W44_ods.ods")  # fmt: skip


def sample(feed: str) -> Path:
    """The delivery of a feed among the samples."""
    (found,) = (SAMPLES / "inbox" / "140321").glob(f"*/{FILES[feed]}_*")
    return found


@pytest.fixture
def schemas(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A site whose contracts are yet to be written; code lists and words are the checkout's."""
    folder = tmp_path / "schemas"
    (folder / "feeds").mkdir(parents=True)
    (folder / "codes").symlink_to(SCHEMAS / "codes")
    (folder / "words.csv").symlink_to(SCHEMAS / "words.csv")
    monkeypatch.setenv("COUNTYLAKE_SCHEMAS", str(folder))
    return folder


def county(tmp_path: Path) -> Workshop:
    """A county of the written contracts."""
    (tmp_path / "inbox").mkdir(exist_ok=True)
    return founded_county(tmp_path / "home", tmp_path / "inbox")


def taken(workshop: Workshop, name: str) -> list[tuple[Any, ...]]:
    """The feed's silver rows after one run."""
    outcome = run_feed(workshop, name, Occasion(run_id="new", day=now().date()))
    assert not outcome.error, outcome.error
    with workshop.lake.reader() as con:
        return con.execute(f"SELECT * FROM lake.silver.{name} WHERE NOT _is_deleted").fetchall()


def deliver(tmp_path: Path, made: Inference, source: Path) -> None:
    """Put the very file where the contract looks for it."""
    path = Path(made.heading.servers[0]["path"])
    place = tmp_path / "inbox" / path.parent / source.name
    place.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(source, place)
    past = (now() - timedelta(minutes=5)).timestamp()
    os.utime(place, (past, past))


def test_a_workbook_becomes_a_feed_whose_rows_are_in_silver(tmp_path: Path, schemas: Path) -> None:
    """Inferred, written, loaded, delivered, run: silver holds every accepted row once."""
    made = infer(Asked("grants", str(sample("resource")), department=DEPARTMENT))
    assert written(made, schemas / "feeds" / "grants.yaml") == []
    workshop = county(tmp_path)
    deliver(tmp_path, made, sample("resource"))
    assert len(taken(workshop, "grants")) == made.rows - made.rejected - made.repeated
    with pytest.raises(UsageError, match="a contract already"):
        written(made, schemas / "feeds" / "grants.yaml")


@pytest.mark.parametrize("clock", [" 08:00:00", ""], ids=["time", "day"])
def test_a_database_says_its_key_and_is_followed_by_its_time_of_change(
    tmp_path: Path, schemas: Path, clock: str
) -> None:
    """A table's key and types are its own; a time of change becomes the watermark, or a day."""
    file = tmp_path / "inbox" / "农经站" / "账.db"
    file.parent.mkdir(parents=True)
    with sqlite3.connect(file) as con:
        con.execute(
            "CREATE TABLE aid (aid_no TEXT PRIMARY KEY NOT NULL, 姓名 TEXT, updated_at TEXT)"
        )
        rows = [(f"A{n:04d}", "王小明", f"2026-01-{n % 28 + 1:02d}{clock}") for n in range(60)]
        con.executemany("INSERT INTO aid VALUES (?, ?, ?)", rows)
    con.close()
    made = infer(Asked("aid", f"sqlite:{file}", table="aid", department=("nongjing", "农经站")))
    assert "watermark, value: {column: updated_at, overlap: 300}" in made.text
    assert [g.column.name for g in made.draft.columns if g.column.is_key] == ["aid_no"]
    assert written(made, schemas / "feeds" / "aid.yaml") == []
    assert len(taken(county(tmp_path), "aid")) == 60


@pytest.mark.xdist_group("postgres")
def test_a_table_of_postgresql_is_described_by_its_catalogue(
    tmp_path: Path, schemas: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Comments are titles, the primary key is the key, NOT NULL is required; rows arrive."""
    monkeypatch.setenv("DEPARTMENT_READER_USER", "reader")
    monkeypatch.setenv("DEPARTMENT_READER_PASSWORD", PASSWORD)
    with running_postgres() as database, reached(database.socket) as port:
        database.run(
            "CREATE TABLE v_aid (bh text PRIMARY KEY, xm text NOT NULL, je numeric(10,2),"
            " gxsj timestamp)",
            "COMMENT ON COLUMN v_aid.bh IS '救助编号'",
            "COMMENT ON COLUMN v_aid.xm IS '姓名'",
            "COMMENT ON COLUMN v_aid.je IS '救助金额'",
            "COMMENT ON COLUMN v_aid.gxsj IS '更新时间'",
            "INSERT INTO v_aid SELECT 'A' || n, '王小明', n * 1.5, timestamp '2026-01-01' + n *"
            " interval '1 hour' FROM generate_series(1, 50) AS n",
        )
        source = f"postgresql://127.0.0.1:{port}/postgres"
        made = infer(Asked("aid", source, "v_aid", READER, ("minzheng", "民政局")))
        columns = {g.column.title: g.column for g in made.draft.columns}
        assert columns["救助编号"].is_key
        assert columns["姓名"].required
        assert columns["救助金额"].type == "decimal"
        assert "watermark, value: {column: gxsj, overlap: 300}" in made.text
        assert written(made, schemas / "feeds" / "aid.yaml") == []
        assert len(taken(county(tmp_path), "aid")) == 50


def test_an_interface_is_asked_where_its_records_are(tmp_path: Path, schemas: Path) -> None:
    """The place of the records is found; nested fields become columns; all rows arrive."""
    with serving(Interface(records(40), style="none")) as interface:
        made = infer(Asked("people", interface.url, key=("id",), department=DEPARTMENT))
        assert "records: data.items" in made.text
        assert written(made, schemas / "feeds" / "people.yaml") == []
        assert len(taken(county(tmp_path), "people")) == 40


def test_an_interface_in_pages_is_taken_whole(tmp_path: Path, schemas: Path) -> None:
    """The address of any page tells how all of them are asked for."""
    with serving(Interface(records(40))) as interface:
        asked = Asked(
            "people", f"{interface.url}?pageNo=3&pageSize=10", key=("id",), department=DEPARTMENT
        )
        made = infer(asked)
        assert (
            "paging: {style: page, page: pageNo, size: pageSize, rows: 10, first: 1}" in made.text
        )
        assert written(made, schemas / "feeds" / "people.yaml") == []
        assert len(taken(county(tmp_path), "people")) == 40


def test_an_address_with_a_password_is_refused() -> None:
    """Secrets are referred to, never written into a contract."""
    for source in ("postgresql://u:p@h/db", "sftp://u:p@h/x.csv"):
        with pytest.raises(UsageError, match="no user and no password"):
            infer(Asked("x", source, table="t"))
    for source in ("oracle+oracledb://u:s3cret@h/db", "https://[::1", "mysql://h:99999/s3cret"):
        with pytest.raises(UsageError, match="--from") as refused:
            infer(Asked("x", source, table="t"))
        assert "s3cret" not in str(refused.value)
    with pytest.raises(UsageError, match="--table"):
        infer(Asked("x", "mysql://127.0.0.1/db"))
    with pytest.raises(UsageError, match="no such file"):
        infer(Asked("x", "nowhere.csv"))


@pytest.fixture(scope="module")
def known() -> Contracts:
    """The checkout's contracts."""
    return load(SCHEMAS)


@pytest.mark.parametrize(
    "name", [*FAULTY, *(pytest.param(name, marks=pytest.mark.thorough) for name in MORE_FAULTY)]
)
def test_a_faulty_file_still_gives_a_contract_that_loads(name: str, known: Contracts) -> None:
    """Odd dates, amounts, encodings, delimiters and workbooks are read, inferred and flow."""
    asked = Asked("probe", str(SAMPLES / "faulty" / name), department=DEPARTMENT)
    made = infer(asked, contracts=known)
    assert made.rows
    assert made.rejected * 3 <= made.rows


def test_a_file_without_a_key_is_refused_with_advice(tmp_path: Path, known: Contracts) -> None:
    """Rows that nothing tells apart get no key made up."""
    source = tmp_path / "重复_2026.csv"
    source.write_text("甲,乙\n" + "\n".join(f"{n % 3},{n % 50}.5" for n in range(300)), "utf-8")
    with pytest.raises(ContractError, match="--key"):
        infer(Asked("twice", str(source)), contracts=known)


def test_no_cell_of_a_person_is_said(tmp_path: Path, known: Contracts) -> None:
    """Neither the contract nor what is told of it holds a value of a personal column."""
    file = sample("payment")
    made = infer(Asked("payments", str(file), department=DEPARTMENT), contracts=known)
    rows = tmp_path / "rows.parquet"
    from dagster_project.ingest.readers.read import read  # noqa: PLC0415

    read(file, None, "x", rows)
    frame = pl.read_parquet(rows)
    said = made.text + str(told(made))
    for title in ("收款人", "收款账号", "收款人身份号码"):
        for value in frame[title].drop_nulls().unique():
            assert len(value) < 2 or value not in said


def test_names_of_files_tell_glob_title_and_period() -> None:
    """Dates of a name become a star; the title is what is left; the period its granularity."""
    assert glob(Path("低保名册_20261122.csv"), "csv") == "低保名册_*.csv"
    assert glob(Path("2026年11月低保.xlsx"), "xlsx") == "*低保.xlsx"
    assert glob(Path("低保.xls"), "csv") == "低保*.*"
    assert bare("低保名册_20261122") == "低保名册"
    assert [frequency(n) for n in ("a_20261122", "a_202611", "a_2026")] == [
        (1, "d"), (1, "m"), (1, "y")
    ]  # fmt: skip


def agreement(
    names: list[str], contracts: Contracts
) -> tuple[Counter[str], Counter[str], list[str]]:
    """How often inference says what the contract written by hand says; its own is not asked."""
    same, asked, told_apart = Counter[str](), Counter[str](), []
    for name in names:
        feed = contracts.feeds[name]
        made = infer(Asked(name, str(sample(name)), department=DEPARTMENT), contracts=contracts)
        guesses = {folded(g.column.title): g.column for g in made.draft.columns}
        for column in feed.columns:
            spelled = (folded(title) for title in (column.title, *column.aliases))
            got = next(guesses[title] for title in spelled if title in guesses)
            pairs = {"type": (column.type, got.type), "level": (column.level, got.level)}
            pairs["personal"] = (max(column.level, "L2"), max(got.level, "L2"))
            if column.codes or got.codes:
                pairs["codes"] = (column.codes, got.codes)
            if column.format:
                pairs["format"] = (column.format, got.format)
            for what, (by_hand, inferred) in pairs.items():
                asked[what] += 1
                same[what] += by_hand == inferred
                if by_hand != inferred:
                    told_apart.append(f"{name}.{column.name}: {what} {by_hand} {inferred}")
        keys = {folded(column.title) for column in feed.columns if column.is_key}
        asked["key"] += 1
        same["key"] += keys == {t for t, column in guesses.items() if column.is_key}
    return same, asked, told_apart


@pytest.mark.parametrize(
    "names",
    [
        ["payment_approval", "bank_account"],
        pytest.param(list(FILES), marks=pytest.mark.thorough),
    ],
    ids=["two", "all"],
)
def test_inference_agrees_with_contracts_written_by_hand(
    names: list[str], known: Contracts
) -> None:
    """Types, lists, levels and keys as a person wrote them; a feed's own contract is not known."""
    same, asked, told_apart = agreement(names, known)
    shares = {what: same[what] / asked[what] for what in asked}
    summary = ", ".join(f"{what} {same[what]}/{asked[what]}" for what in sorted(asked))
    print(summary)  # noqa: T201 - the measure itself
    assert shares["type"] >= 0.9, (summary, told_apart)
    assert min(shares["codes"], shares["level"]) >= 0.8, (summary, told_apart)
    assert shares["personal"] >= 0.9, (summary, told_apart)
    assert same["key"] >= asked["key"] * 12 / 14, (summary, told_apart)


TEXTS = st.text(st.characters(blacklist_categories=("Cs", "Cc")), max_size=12)
CELLS = st.one_of(
    TEXTS, st.integers(-999, 10**9).map(str), st.dates().map(str), st.sampled_from(["", "是", "1"])
)


@pytest.mark.thorough
@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(data=st.data())
def test_any_table_gives_a_contract_that_loads(
    tmp_path: Path, known: Contracts, data: st.DataObject
) -> None:
    """Whatever the titles and the cells are: a contract that loads, or a sentence of ours."""
    titles = data.draw(st.lists(TEXTS, min_size=1, max_size=4))
    rows = data.draw(
        st.lists(st.lists(CELLS, min_size=len(titles), max_size=len(titles)), max_size=8)
    )
    file, contract = tmp_path / "某表_2026.csv", tmp_path / "anything.yaml"
    with file.open("w", encoding="utf-8", newline="") as stream:
        lines = [["编号", *titles], *([str(n), *row] for n, row in enumerate(rows))]
        csv.writer(stream).writerows(lines)
    asked = Asked("anything", str(file), key=("编号",), department=DEPARTMENT)
    said, problems = "", list[Problem]()
    try:
        made = infer(asked, contracts=known)
    except CountyLakeError as error:
        said = str(error)
    else:
        contract.write_text(made.text, encoding="utf-8")
        problems += load_one(contract, schemas_dir()).problems
    assert (problems, "would not load" in said) == ([], False)
