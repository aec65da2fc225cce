"""Cells of real databases: every type as the server writes it, under any name."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.database_kit import (
    MariaDb,
    Postgres,
    pulled,
)

pytestmark = [pytest.mark.xdist_group("databases"), pytest.mark.usefixtures("reader")]


PG_TYPES = {
    "numeric": [("'1.50'", "1.50"), ("'NaN'", "NaN"), ("'Infinity'", "Infinity")],
    "numeric(38,10)": [("1234567890123456789012345678.0123456789",) * 2],
    "double precision": [("0.1", "0.1"), ("1.7976931348623157e308", "1.7976931348623157e+308")],
    "bigint": [("-9223372036854775808",) * 2],
    "money": [("12.34", "12.34")],
    "boolean": [("true", "true"), ("NULL", None)],
    "timestamptz": [("'2026-11-22 16:00:00.000001Z'", "2026-11-23 00:00:00.000001+08")],
    "timestamp": [("'2026-11-22 08:00:00'", "2026-11-22 08:00:00"), ("'infinity'", "infinity")],
    "date": [("'0001-01-01'", "0001-01-01"), ("'2024-02-29'", "2024-02-29")],
    "time": [("'23:59:59.5'", "23:59:59.5")],
    "interval": [("'1 day 2 hours'", "1 day 02:00:00")],
    "uuid": [("'00000000-0000-0000-0000-00000000000a'", "00000000-0000-0000-0000-00000000000a")],
    "jsonb": [("'{\"名\": 1.10}'", '{"名": 1.10}')],
    "text[]": [("ARRAY['a','b,c']", '{a,"b,c"}')],
    "bytea": [("'\\xff00'", "ff00")],
    "bit(4)": [("B'0101'", "0101")],
    "text": [("'王𠀀''\\\n'", "王𠀀'\\\n"), ("''", "")],
    "char(4)": [("'ab'", "ab")],
    "inet": [("'10.0.0.1/8'", "10.0.0.1/8")],
}
MY_TYPES = {
    "decimal(38,10)": [("1234567890123456789012345678.0123456789",) * 2],
    "bigint unsigned": [("18446744073709551615",) * 2],
    "int(6) zerofill": [("7", "000007")],
    "double": [("0.1", "0.1")],
    "date": [("'0000-00-00'", "0000-00-00"), ("'2024-02-29'", "2024-02-29")],
    "datetime(6)": [("'2026-11-22 08:00:00.000001'", "2026-11-22 08:00:00.000001")],
    "time": [("'-838:59:59'", "-838:59:59")],
    "year": [("2026", "2026")],
    "bit(8)": [("b'101'", "5")],
    "tinyint(1)": [("1", "1"), ("NULL", None)],
    "enum('男','女')": [("'女'", "女")],
    "set('a','b')": [("'a,b'", "a,b")],
    "json": [("'{\"名\": 1.10}'", '{"名": 1.10}')],
    "varchar(9)": [("'王𠀀\\'", "王𠀀\\"), ("''", "")],
    "varchar(9) character set gbk": [("'王'", "王")],
    "varchar(9) character set latin1": [("'é'", "é")],
    "longtext": [("repeat('长', 90000)", "长" * 90_000), ("repeat('x', 300)", "x" * 300)],
    "varbinary(9)": [("x'ff00'", "FF00")],
}


@pytest.mark.parametrize(("kind", "cells"), PG_TYPES.items(), ids=PG_TYPES)
def test_postgres_writes_every_type_itself(
    postgres: Postgres, tmp_path: Path, kind: str, cells: list[tuple[str, str | None]]
) -> None:
    """What an extract holds is the server's own text of a value."""
    postgres.run(
        "DROP TABLE IF EXISTS kinds",
        f"CREATE TABLE kinds (n int, 值 {kind})",
        *(f"INSERT INTO kinds VALUES ({n}, {sql})" for n, (sql, _) in enumerate(cells)),
    )
    (taken,) = pulled(postgres.server("kinds"), tmp_path, titles=["值"])
    assert [row["值"] for row in taken.rows] == [text for _, text in cells]


@pytest.mark.parametrize(("kind", "cells"), MY_TYPES.items(), ids=MY_TYPES)
def test_mariadb_writes_every_type_itself(
    mariadb: MariaDb, tmp_path: Path, kind: str, cells: list[tuple[str, str | None]]
) -> None:
    """What an extract holds is the server's own text of a value, whatever its length and codec."""
    mariadb.run(
        "DROP TABLE IF EXISTS kinds",
        f"CREATE TABLE kinds (n int, 值 {kind})",
        *(f"INSERT INTO kinds VALUES ({n}, {sql})" for n, (sql, _) in enumerate(cells)),
    )
    (taken,) = pulled(mariadb.server("kinds"), tmp_path, titles=["值"])
    assert [row["值"] for row in taken.rows] == [text for _, text in cells]


def test_odd_names_and_wide_tables(database: Postgres | MariaDb, tmp_path: Path) -> None:
    """Quotes, reserved words, Chinese names and 65 columns are names like any other."""
    q = '"' if isinstance(database, Postgres) else "`"
    names = ["select", "a b", "姓名", "x'y", 'd"q', "t.u", "%s", *(f"列{n}" for n in range(58))]
    quoted = [q + name.replace(q, q * 2) + q for name in names]
    database.run(
        f"DROP TABLE IF EXISTS {q}Order 表{q}",
        f"CREATE TABLE {q}Order 表{q} ({', '.join(f'{name} varchar(20)' for name in quoted)})",
    )
    values = ", ".join(f"'{n}'" for n in range(65))
    database.run(f"INSERT INTO {q}Order 表{q} VALUES ({values})".replace("%", "%"))
    (taken,) = pulled(database.server("Order 表"), tmp_path)
    assert taken.rows == [{name: str(n) for n, name in enumerate(names)}]
    assert taken.path.startswith(("civil_db/Order_表-", "civil_my/Order_表-"))
