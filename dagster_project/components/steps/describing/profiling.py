"""Counts the cells of a table for ``contracts.inference``; nothing is concluded here.

What a cell means as a date, a number or an identity is asked of conform itself: every column is
conformed as several kinds at once, and the rules that fail are counted.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

import duckdb

from dagster_project.components.steps.describing.trials import tried
from dagster_project.contracts.inference.profiles import (
    ColumnProfile,
    KeyCandidate,
    Shape,
    SourceColumn,
    TableProfile,
)
from dagster_project.contracts.inference.titles import is_moment, key_likeness, without_unit
from dagster_project.contracts.inference.vocabulary import SURNAMES
from dagster_project.contracts.model import Contracts
from dagster_project.lake.engine import literal, quoted
from dagster_project.transform.conform.text import BLANKS, NULL_KINDS

LOOKED = 100_000
"""As many rows tell how cells are written; evenly taken."""
WORDS = 300
"""A column with more different values has no code list."""
KEY_POOL, KEY_SIZE = 9, 4
"""Combinations of up to so many of the likeliest columns are tried as keys."""
NEARLY = 0.9
"""A column with fewer different values per row is not a key by itself."""
CARDS = 500
VARIED, LONG = 10, 6
"""A column with fewer different values, or shorter ones, refers to another by accident."""
FURTHER_NULLS = (
    *("待查", "待核实", "待补充", "未填", "未填写", "未登记", "未提供", "未采集", "没有", "不明"),
    *("不清楚", "缺", "缺失", "。", ".", "*", "**", "?", "？", "...", "…"),
    *("0", "00000000000", "11111111111"),
)
"""Spellings of "no value" that are not among the usual ones."""
_NULLS = ", ".join(literal(s) for kind in NULL_KINDS.values() for s in kind)
_MONTH = r"^(19|20)[0-9]{2}(0[1-9]|1[0-2])$"
_TIMED = r"[ T日][0-2]?[0-9][:时]"
_MIDNIGHT = r"[ T日]0?0(:00){1,2}(\.0+)?$"
_FIGURES = "^[^\u4e00-\u9fffA-Za-z]*[0-9０-９]|^(￥|¥|RMB|人民币)|[壹贰叁肆伍陆柒捌玖]"
_DATES = (
    r"^[12][0-9０-９]{3}|^[0-9]{2}[-./年]|^[2-5][0-9]{4}(\.|$)|^(中[华華])?民[国國]|^[一二][〇○零一九]"
    r"|^(长期|永久)"
)
_PRIVATE = (
    r"(^|[^0-9])1[3-9][0-9]{9}([^0-9]|$)|(^|[^0-9])[1-9][0-9]{5}(19|20)[0-9]{9}[0-9Xx]([^0-9]|$)"
)


@dataclass(frozen=True)
class Table:
    """A file that was read by shape alone, or an extract. ``rows`` is the reader's Parquet."""

    rows: Path
    titles: tuple[str, ...]
    units: Mapping[str, str]
    source: tuple[SourceColumn, ...] = ()


def profiled(
    table: Table, contracts: Contracts, *, delivered_at: datetime, replica: Path | None = None
) -> TableProfile:
    """Count what inference wants to know.

    Args:
        table: The table.
        contracts: For the code lists, and the keys that a lake may hold.
        delivered_at: The instant against which days are read.
        replica: A published copy of a lake; its keys tell references.
    """
    with duckdb.connect() as con:
        rows = _look(con, table)
        columns = [_column(con, table, n) for n in range(len(table.titles))]
        columns = list(tried(con, columns, contracts, delivered_at))
        keys, distinct, every = _keys(con, table, columns)
        if replica is not None and replica.exists():
            columns = list(_with_parents(con, columns, contracts, replica))
    return TableProfile(tuple(columns), every, distinct, keys, sampled=rows < every)


def _look(con: duckdb.DuckDBPyConnection, table: Table) -> int:
    """The table ``look``: trimmed cells ``r0…`` and what says something of them, ``x0…``."""
    source = f"read_parquet({literal(table.rows)}) WHERE _defect IS NULL OR _defect = 'mojibake'"
    found = con.execute(f"SELECT count(*) FROM {source}").fetchone()
    step = max(1, (int(found[0]) if found else 0) // LOOKED)
    trimmed = ", ".join(
        f"trim({quoted(title)}, {literal(BLANKS)}) AS r{n}" for n, title in enumerate(table.titles)
    )
    said = ", ".join(
        f"CASE WHEN r{n} NOT IN ({_NULLS}, '') THEN r{n} END AS x{n}"
        for n in range(len(table.titles))
    )
    numbered = f"SELECT {trimmed}, row_number() OVER () AS n FROM {source}"
    con.execute(f"CREATE TEMP VIEW every AS {numbered}")
    con.execute(f"CREATE TEMP TABLE look AS SELECT *, {said} FROM every WHERE n % {step} = 0")
    looked = con.execute("SELECT count(*) FROM look").fetchone()
    return int(looked[0]) if looked else 0


def _column(con: duckdb.DuckDBPyConnection, table: Table, n: int) -> ColumnProfile:
    title = table.titles[n]
    words = _words(con, n)
    if "有" in words and "无" not in words:
        # A flag: its 无 is a no, not a spelling of nothing.
        con.execute(f"UPDATE look SET x{n} = '无' WHERE r{n} = '无'")
        words = _words(con, n)
    x = f"x{n}"
    row = con.execute(f"""
        SELECT count(*), count({x}), count(DISTINCT {x}), {_shares(x)},
            mode(length({x})), coalesce(min(length({x})), 0), coalesce(max(length({x})), 0),
            coalesce(max(strlen({x})), 0),
            quantile_disc(length({x}), [0.05, 0.5, 0.95])
        FROM look""").fetchone()
    assert row is not None  # noqa: S101 - an aggregate always has a row
    rows, filled, distinct, *shares = row[:13]
    wide, shortest, longest, size, parts = row[13:]
    wide_share = _share(con, f"length({x}) = {wide}", x) if wide else 0.0
    digits, zeros, han, letters, timed, months, surnames, private, figures, dates = (
        float(share or 0) for share in shares
    )
    shape = Shape(
        digits=digits,
        zeros=zeros,
        han=han,
        letters=letters,
        timed=timed,
        months=months,
        surnames=surnames,
        private=private,
        figures=figures,
        dates=dates,
        wide=int(wide or 0),
        wide_share=wide_share,
        shortest=int(shortest),
        longest=int(longest),
        bytes=int(size),
        luhn=_luhn(con, x) if 16 <= (wide or 0) <= 19 else 0.0,  # noqa: PLR2004
        parts=tuple(int(part) for part in parts or ()),
    )
    source = next((one for one in table.source if one.name == title), None)
    unit = table.units.get(title, "") or without_unit(title)[1]
    return ColumnProfile(
        title,
        int(rows),
        int(filled),
        int(distinct),
        0,
        shape,
        words=words if distinct <= WORDS else {},
        oddities=_oddities(con, n),
        unit=unit,
        source=source,
    )


def _shares(x: str) -> str:
    """The shares of ``Shape``, in the order they are taken apart in, as SQL.

    ``private`` looks into longer texts only.
    """
    names = "".join(sorted(SURNAMES))
    tests = (
        f"regexp_full_match({x}, '[0-9]+')",
        f"regexp_full_match({x}, '0[0-9]+')",
        f"regexp_matches({x}, '[\u4e00-\u9fff]')",
        f"regexp_matches({x}, '[A-Za-z]')",
        f"regexp_matches({x}, '{_TIMED}') AND NOT regexp_matches({x}, '{_MIDNIGHT}')",
        f"regexp_matches({x}, '{_MONTH}')",
        f"regexp_full_match({x}, '[{names}][\u3400-\u9fff·]{{1,3}}')",
        f"length({x}) > 20 AND regexp_matches({x}, '{_PRIVATE}')",
        f"regexp_matches({x}, '{_FIGURES}')",
        f"regexp_matches({x}, '{_DATES}')",
    )
    return ", ".join(f"avg(CASE WHEN {test} THEN 1 ELSE 0 END) FILTER ({x} IS NOT NULL)"
                     for test in tests)  # fmt: skip


def _share(con: duckdb.DuckDBPyConnection, test: str, x: str) -> float:
    row = con.execute(
        f"SELECT avg(CASE WHEN {test} THEN 1 ELSE 0 END) FROM look WHERE {x} IS NOT NULL"
    ).fetchone()
    return float(row[0] or 0) if row else 0.0


def _words(con: duckdb.DuckDBPyConnection, n: int) -> dict[str, int]:
    found = con.execute(
        f"SELECT x{n}, count(*) FROM look WHERE x{n} IS NOT NULL"
        f" GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT {WORDS + 1}"
    ).fetchall()
    return {str(text): int(count) for text, count in found}


def _oddities(con: duckdb.DuckDBPyConnection, n: int) -> dict[str, int]:
    listed = ", ".join(literal(text) for text in FURTHER_NULLS)
    found = con.execute(
        f"SELECT x{n}, count(*) FROM look WHERE x{n} IN ({listed}) GROUP BY 1 ORDER BY 1"
    ).fetchall()
    return {str(text): int(count) for text, count in found}


def _luhn(con: duckdb.DuckDBPyConnection, x: str) -> float:
    from stdnum import luhn  # noqa: PLC0415 - few tables hold card numbers

    found = con.execute(
        f"SELECT DISTINCT {x} FROM look WHERE regexp_full_match({x}, '[0-9]{{16,19}}')"
        f" ORDER BY 1 LIMIT {CARDS}"
    ).fetchall()
    return sum(luhn.is_valid(text) for (text,) in found) / len(found) if found else 0.0


def _keys(
    con: duckdb.DuckDBPyConnection, table: Table, columns: Sequence[ColumnProfile]
) -> tuple[tuple[KeyCandidate, ...], int, int]:
    """Columns, or the smallest combinations, that differ in nearly all different rows."""
    cells = ", ".join(f"r{n}" for n in range(len(table.titles)))
    row = con.execute(
        f"SELECT (SELECT count(*) FROM every), (SELECT count(*) FROM (SELECT DISTINCT {cells}"
        " FROM every))"
    ).fetchone()
    every, distinct = (int(one) for one in row or (0, 0))
    if not distinct:
        return (), 0, 0
    fit = [n for n, column in enumerate(columns) if _may_be_key(column)]
    single = [
        KeyCandidate((table.titles[n],), share)
        for n in fit
        if columns[n].distinct >= NEARLY * columns[n].filled * min(1, distinct / max(every, 1))
        and (share := _unique(con, [n], distinct))
    ]
    sure = [candidate for candidate in single if not is_moment(candidate.titles[0])]
    if any(candidate.share >= 0.97 for candidate in sure):  # noqa: PLR2004 - see keys.UNIQUE
        return tuple(single), distinct, every
    return (*single, *_combined(con, table, columns, fit, distinct)), distinct, every


def _may_be_key(column: ColumnProfile) -> bool:
    return column.full > 0.9 and column.shape.longest <= 100 and column.distinct > 1  # noqa: PLR2004


def _combined(
    con: duckdb.DuckDBPyConnection,
    table: Table,
    columns: Sequence[ColumnProfile],
    fit: Sequence[int],
    distinct: int,
) -> Iterator[KeyCandidate]:
    """The smallest combinations that nearly do, of the likeliest columns."""
    exact = [n for n in fit if columns[n].scale == 0 and columns[n].shape.longest <= 64]  # noqa: PLR2004
    exact.sort(key=lambda n: (-key_likeness(columns[n].title), -min(columns[n].distinct, 20), n))
    pool = sorted(exact[:KEY_POOL])
    for size in range(2, KEY_SIZE + 1):
        found = []
        for chosen in itertools.combinations(pool, size):
            if _most(columns, chosen) < distinct * NEARLY:
                continue
            share = _unique(con, chosen, distinct)
            found.append(KeyCandidate(tuple(table.titles[n] for n in chosen), share))
        yield from found
        if any(candidate.share >= 0.97 for candidate in found):  # noqa: PLR2004 - see keys.UNIQUE
            return


def _most(columns: Sequence[ColumnProfile], chosen: Sequence[int]) -> int:
    """As many different keys as these columns could have at most."""
    most = 1
    for n in chosen:
        most *= max(columns[n].distinct, 1)
    return most


def _unique(con: duckdb.DuckDBPyConnection, chosen: Sequence[int], distinct: int) -> float:
    cells = ", ".join(f"r{n}" for n in chosen)
    row = con.execute(f"SELECT count(*) FROM (SELECT DISTINCT {cells} FROM every)").fetchone()
    return int(row[0]) / distinct if row else 0.0


def _with_parents(
    con: duckdb.DuckDBPyConnection,
    columns: Sequence[ColumnProfile],
    contracts: Contracts,
    replica: Path,
) -> Iterator[ColumnProfile]:
    """How much of each coded column a lake's keys hold; keys of persons are masked there."""
    con.execute(f"ATTACH {literal(replica)} AS lake (READ_ONLY)")
    held = {
        (feed.name, feed.key[0])
        for feed in contracts.feeds.values()
        if len(feed.key) == 1 and feed.column(feed.key[0]).level in {"L1", "L2"}
    }
    known = con.execute(
        "SELECT table_name, column_name FROM duckdb_columns()"
        " WHERE database_name = 'lake' AND schema_name = 'silver'"
    ).fetchall()
    parents = sorted(held & {(str(table), str(column)) for table, column in known})
    for n, column in enumerate(columns):
        shares: dict[str, float] = {}
        if column.distinct >= VARIED and column.shape.longest >= LONG:
            for feed, key in parents:
                keys = f"SELECT {quoted(key)} FROM lake.silver.{quoted(feed)}"
                shares[f"{feed}.{key}"] = _share(con, f"x{n} IN ({keys})", f"x{n}")
        yield replace(column, parents=shares)
