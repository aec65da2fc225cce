"""Masks and pseudonyms as DuckDB computes them."""

from __future__ import annotations

import datetime as dt
import hashlib
import hmac
import stat
from dataclasses import replace
from pathlib import Path

import duckdb
import pytest

from dagster_project.contracts.entities import DataItems
from dagster_project.contracts.model import Column, Contracts, Feed, Reference, Sla, Table
from dagster_project.errors import UsageError
from dagster_project.privacy import masks, pseudonym, replica
from dagster_project.privacy.masks import Mask
from tests.items_kit import CIVIL, KEY, POLICE, item_of, person


def masked(mask: Mask, value: object, duck_type: str = "VARCHAR") -> object:
    """A value through a mask."""
    sql = masks.expression(mask, 'the "column"', duck_type)
    row = duckdb.execute(
        f'SELECT {sql} FROM (SELECT CAST(? AS {duck_type}) AS "the ""column""")', [value]
    ).fetchone()
    assert row is not None
    return row[0]


@pytest.mark.parametrize(
    ("mask", "value", "shown"),
    [
        ("id", "140321199003071235", "140321********1235"),
        ("id", "14032119900307123X", "140321********123X"),
        ("id", "E12345678", "****5678"),
        ("id", "12345", "****"),
        ("name", "王明", "王*"),
        ("name", "王小明", "王*明"),
        ("name", "欧阳小明", "欧*明"),
        ("name", "𠀀明", "𠀀*"),
        ("name", "王", "*"),
        ("phone", "13812345678", "138****5678"),
        ("phone", "0353-6061234", "****1234"),
        ("phone", "110", "****"),
        ("account", "6217001234567890123", "****0123"),
        ("account", "1234567", "****"),
        ("address", "山西省阳泉市平定县冠山镇东关村12号", "山西省阳泉市平定县冠山镇"),
        ("address", "平定县古贝乡某村", "平定县古贝乡"),
        ("address", "滨河街道3号楼", "滨河街道"),
        ("address", "东关村12号", None),
        ("scrub", "反映电话13812345678无人接听", "反映电话****无人接听"),
        ("scrub", "证号14032119900307123X请查", "证号****请查"),
        ("scrub", "第3次来电,已等12天", "第3次来电,已等12天"),
        ("scrub", "请回电138 1234-5678,138 1234-5679", "请回电****,****"),
        ("scrub", "POINT(113.6312345678901 37.7)", "POINT(113.6312345678901 37.7)"),
        ("none", "01", "01"),
        ("drop", "12.5", None),
    ],
)
def test_each_mask_shows_its_form(mask: Mask, value: str, shown: str | None) -> None:
    """The masked forms are those that the de-identification rules print."""
    assert masked(mask, value) == shown


@pytest.mark.parametrize(
    "mask", ["id", "name", "phone", "account", "address", "scrub", "none", "drop", "year"]
)
def test_nothing_stays_nothing(mask: Mask) -> None:
    """NULL stays NULL under every mask, so that fill rates are the same."""
    assert masked(mask, None, "DATE" if mask == "year" else "VARCHAR") is None


def test_dates_keep_their_type() -> None:
    """A birth date becomes the first day of its year."""
    assert masked("year", dt.date(1990, 3, 7), "DATE") == dt.date(1990, 1, 1)


@pytest.mark.parametrize(
    ("column", "mask"),
    [
        (Column("a", "甲", "string", level="L2"), "none"),
        (Column("a", "甲", "string", level="L1", textual=True), "scrub"),
        (Column("a", "甲", "string", level="L2", format="person_name"), "name"),
        (Column("a", "甲", "string", level="L4", format="resident_id"), "id"),
        (Column("a", "甲", "string", level="L3"), "drop"),
        (Column("a", "甲", "decimal", level="L3"), "drop"),
        (Column("a", "甲", "date", level="L3"), "year"),
        (Column("a", "甲", "string", level="L4", mask="account"), "account"),
    ],
)
def test_nothing_personal_passes_for_want_of_a_line(column: Column, mask: Mask) -> None:
    """A column of level L3 or L4 without a mask is masked by its format, generalised or dropped."""
    assert masks.mask_of(column) == mask


@pytest.fixture
def secret() -> pseudonym.Secret:
    """A known key."""
    return pseudonym.Secret("test", bytes(range(32)))


@pytest.mark.parametrize("length", [1, 32, 64, 65, 100])
def test_the_engine_computes_hmac_sha256(length: int) -> None:
    """DuckDB's pseudonym equals Python's HMAC-SHA256, whatever the key's length."""
    key = pseudonym.Secret("test", bytes(range(length)))
    sql = pseudonym.expression("value", "resident_id")
    rows = duckdb.execute(
        f"SELECT value, {sql} FROM"
        " (VALUES ('140321199003071235'), ('王小明'), (''), (NULL)) AS t (value)",
        key.parameters,
    ).fetchall()
    for value, computed in rows:
        if value is None:
            assert computed is None
            continue
        message = f"resident_id:{value}".encode()
        assert computed == hmac.new(key.key, message, hashlib.sha256).hexdigest()
        assert computed == key.of("resident_id", value)


def test_the_key_is_never_part_of_the_statement(secret: pseudonym.Secret) -> None:
    """Neither the SQL nor the printed secret shows a byte of the key."""
    sql = pseudonym.expression("value", "resident_id")
    assert "$pseudonym_inner" in sql
    assert "\\x" not in sql
    assert secret.key.hex() not in repr(secret)
    assert repr(secret.key) not in repr(secret)


def test_a_secret_is_its_owners_alone(tmp_path: Path) -> None:
    """Keys are made in a private folder, found by id, and refused when others may read them."""
    folder = tmp_path / "keys"
    key_id = pseudonym.create_secret(folder)
    path = folder / f"{key_id}.secret"
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert len(pseudonym.load_secret(folder, key_id).key) == 32
    assert pseudonym.create_secret(folder) != key_id
    path.chmod(0o644)
    with pytest.raises(UsageError, match="other users"):
        pseudonym.load_secret(folder, key_id)
    with pytest.raises(UsageError, match="no pseudonym key"):
        pseudonym.load_secret(folder, "absent")


def feed(name: str, *columns: Column) -> Feed:
    """A feed of these columns."""
    return Feed(name, name, "1.0.0", "14", "农业农村局", columns, (), "full", ("*.csv",), Sla())


def key(name: str, **more: object) -> Column:
    """A key column."""
    return Column(name, name, "string", key_position=1, **more)  # type: ignore[arg-type]


def refers(name: str, parent: str, column: str, **more: object) -> Column:
    """A column that refers to another feed's key."""
    made = Reference(parent, column, rejects=False)
    return Column(name, name, "string", reference=made, **more)  # type: ignore[arg-type]


CONTRACTS = Contracts(
    feeds={
        made.name: made
        for made in (
            feed("collective_org", key("org_code"), Column("legal_rep", "负责人", "string")),
            feed(
                "payment",
                key("pay_no"),
                refers("org_code", "collective_org", "org_code"),
                Column("payee_account", "账号", "string", level="L4", mask="account"),
            ),
            feed("payment_approval", refers("pay_no", "payment", "pay_no", key_position=1)),
            feed("house", key("house_code"), Column("area_sqm", "面积", "decimal")),
            feed(
                "population",
                key("id_no", level="L4", format="resident_id"),
                refers("house_code", "house", "house_code", level="L3"),
            ),
            feed("member", refers("id_no", "population", "id_no", level="L4", key_position=1)),
            feed("loop_a", refers("x", "loop_b", "x")),
            feed("loop_b", refers("x", "loop_a", "x")),
        )
    },
    tables={},
    codes={},
)


@pytest.mark.parametrize(
    ("name", "column", "expected"),
    [
        ("population", "id_no", True),
        ("population", "house_code", True),
        ("member", "id_no", True),
        ("payment", "pay_no", True),
        ("payment_approval", "pay_no", True),
        ("house", "house_code", True),
        ("payment", "org_code", False),
        ("payment", "payee_account", False),
        ("collective_org", "org_code", False),
        ("loop_a", "x", False),
    ],
)
def test_who_gets_a_pseudonym(name: str, column: str, *, expected: bool) -> None:
    """Personal keys and references, keys of tables with an L4 column, and what joins with them."""
    table = next(table for table in replica.plan(CONTRACTS) if table.name == name)
    shown = {made.name for made in table.columns}
    assert (f"{column}_pseudonym" in shown) is expected


@pytest.mark.parametrize(
    ("name", "column", "domain"),
    [
        ("payment", "org_code", "collective_org.org_code"),
        ("collective_org", "org_code", "collective_org.org_code"),
        ("payment_approval", "pay_no", "payment.pay_no"),
        ("population", "id_no", "resident_id"),
        ("member", "id_no", "resident_id"),
        ("population", "house_code", "house.house_code"),
        ("loop_a", "x", "loop_a.x"),
    ],
)
def test_a_key_has_one_domain_wherever_it_stands(name: str, column: str, domain: str) -> None:
    """References are followed to their first parent, so that equal keys have equal pseudonyms."""
    assert replica.domain(CONTRACTS, name, column) == domain


def test_a_parent_that_is_referred_to_privately_joins() -> None:
    """The house that a resident refers to by pseudonym carries the same pseudonym itself."""
    tables = {table.name: table for table in replica.plan(CONTRACTS)}
    in_house = {column.name: column.expression for column in tables["house"].columns}
    in_population = {column.name: column.expression for column in tables["population"].columns}
    assert in_house["house_code_pseudonym"] == in_population["house_code_pseudonym"]


def test_a_coded_dimension_of_an_aggregate_stays() -> None:
    """A nation by which gold counts is shown; a name that reached gold is not."""
    nation = Column("nation", "民族", "string", level="L3", mask="drop", codes="nation")
    name = Column("name", "姓名", "string", level="L3", mask="name")
    town = Table("by_nation", "gold", "按民族", "1.0.0", columns=())
    contracts = Contracts(feeds={}, tables={("gold", "by_nation"): town}, codes={})
    made = {("gold", "by_nation"): (nation, name)}
    shown = {c.name: c.expression for c in replica.plan(contracts, made)[0].columns}  # type: ignore[arg-type]
    assert shown["nation"] == '"nation"'
    assert "'*'" in shown["name"]


def test_an_entity_hides_what_any_of_its_sources_hides() -> None:
    """A telephone number that one feed shows in part and another drops is dropped."""
    shown = Column("phone", "电话", "string", level="L3", mask="phone")
    for hidden in (
        replace(shown, mask="drop"),
        replace(shown, mask="none"),
        replace(shown, mask="account", level="L2"),
    ):
        feeds = {
            "police": replace(POLICE, columns=(KEY, shown)),
            "civil": replace(CIVIL, columns=(KEY, hidden)),
        }
        entity = person(item_of(shown, "police", "civil"))
        known = Contracts(feeds, {}, {}, items=DataItems({"person": entity}))
        (table,) = (one for one in replica.plan(known) if one.name == "person")
        phone = next(one for one in table.columns if one.name == "phone")
        wanted = masks.expression(masks.mask_of(hidden), "phone", "VARCHAR")
        assert phone.expression == wanted
