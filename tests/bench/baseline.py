"""The bare script that CountyLake is measured against: one file, no lineage, no orchestration.

What a capable engineer writes by hand for the same job: Polars reads the text tables, calamine the
workbooks, DuckDB does the rest. It reads the same files, checks the same kinds of rules with the
same code lists, keeps the latest valid row of a key, sets bad rows aside with their reasons, and
builds the same marts. It keeps no bronze layer, no provenance, no log of repairs, no masked copies
and no packages, and it does not survive a second run.

``baseline.txt`` lists the feeds: file, key, order column, columns, rules. A column is title, name,
type (t text, i integer, n number, d date, s timestamp, b boolean), then ``*`` required, ``@`` code
list, ``~`` pattern, ``#`` longest, ``>``/``<`` bounds, ``!`` format, ``0`` width, ``^`` parent.

Usage: ``python -m tests.bench.baseline INBOX OUT.duckdb COUNTY DAY``. It imports nothing of the
project.
"""

from __future__ import annotations

import csv
import re
import sys
from pathlib import Path

import duckdb
import polars as pl
from python_calamine import CalamineWorkbook

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
NULLS = "'无','——','—','-','/','\\N','NULL','null','None','N/A','nan','暂无','不详','未知','空'"
NOW = "TIMESTAMP '2100-01-01'"
DATES = "['%Y-%m-%d','%Y/%m/%d','%Y年%m月%d日','%Y%m%d','%Y.%m.%d']"
TIMES = "['%Y-%m-%d %H:%M:%S','%Y/%m/%d %H:%M:%S','%Y-%m-%dT%H:%M:%S','%Y-%m-%d %H:%M']"
ALPHABET = "0123456789ABCDEFGHJKLMNPQRTUWXY"
POWERS = [1, 3, 9, 27, 19, 26, 16, 17, 20, 29, 25, 13, 8, 24, 10, 30, 28]
WEIGHTS = [7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2]
ID_SUM = "+".join(
    f"(CAST(substr(v,1,17) AS BIGINT)//{10 ** (16 - i)}%10)*{w}" for i, w in enumerate(WEIGHTS)
)
ID_OK = (
    "CASE WHEN NOT regexp_full_match(v,'[1-9][0-9]{16}[0-9X]') THEN FALSE "
    "WHEN try_strptime(substr(v,7,8),'%Y%m%d') IS NULL THEN FALSE "
    f"ELSE substr('10X98765432', CAST(({ID_SUM})%11 AS INTEGER)+1, 1) = substr(v,18,1) END"
)
USCC_SUM = "+".join(
    f"(strpos('{ALPHABET}',substr(v,{i + 1},1))-1)*{w}" for i, w in enumerate(POWERS)
)
USCC_OK = (
    f"regexp_full_match(v,'[{ALPHABET}]{{18}}') AND "
    f"substr('{ALPHABET}',CAST((31-({USCC_SUM})%31)%31 AS INTEGER)+1,1)=substr(v,18,1)"
)
TYPED = {
    "i": "try_cast(v AS BIGINT)",
    "n": "try_cast(replace(replace(v,',',''),'￥','') AS DECIMAL(18,2))",
    "d": f"coalesce(try_strptime(v,{DATES})::DATE,DATE '1899-12-30'+try_cast(v AS INTEGER))",
    "s": f"try_strptime(v,{TIMES})",
    "b": "CASE WHEN v IN ('1','是','Y','TRUE') THEN TRUE WHEN v IS NOT NULL THEN FALSE END",
}
FORMATS = {
    "resident_id": ID_OK,
    "uscc": USCC_OK,
    "phone": "regexp_full_match(v,'1[3-9][0-9]{9}|0[0-9]{2,3}-?[0-9]{7,8}')",
    "person_name": "length(v) BETWEEN 2 AND 50 AND NOT regexp_matches(v,'[0-9]')",
}


def feeds() -> list[dict[str, list[str]]]:
    """The feeds of ``baseline.txt``, parents first."""
    found: list[dict[str, list[str]]] = []
    for line in (HERE / "baseline.txt").read_text(encoding="utf-8").splitlines():
        word, _, rest = line.partition(" ")
        if line.startswith("["):
            found.append({"name": [line[1:-1]], "columns": [], "rules": []})
        elif word in {"file", "key", "order"}:
            found[-1][word] = rest.split()
        else:
            found[-1]["rules" if word == "rule" else "columns"].append(
                rest if word == "rule" else line
            )
    return found


def code_map(name: str) -> dict[str, str]:
    """Spelling -> code of one list."""
    text = (ROOT / "schemas" / "codes" / f"{name}.csv").read_text(encoding="utf-8").splitlines()
    spelled: dict[str, str] = {}
    for row in csv.DictReader(line for line in text if not line.startswith("#")):
        for synonym in (row["code"], row["title"], *row["synonyms"].split("|")):
            spelled.setdefault(synonym.upper(), row["code"])
    return {spelling: code for spelling, code in spelled.items() if spelling}


def read(path: Path, titles: list[str]) -> pl.DataFrame:
    """One file as text columns, from the header row on, without totals and blank rows."""
    if path.suffix == ".xlsx":
        book = CalamineWorkbook.from_path(path)
        frame = pl.concat(
            [_sheet(book.get_sheet_by_name(n).to_python(), titles) for n in book.sheet_names],
            how="diagonal",
        )
    else:
        raw = path.read_bytes()
        data = raw if _is_utf8(raw) else raw.decode("gb18030").encode("utf-8")
        head = [line for line in data[:4096].splitlines() if line.strip()]
        mark = titles[0].encode("utf-8")
        skip = next(i for i, line in enumerate(head) if mark in line)
        frame = pl.read_csv(data, infer_schema=False, skip_lines=skip, truncate_ragged_lines=True)
    frame = frame.filter(pl.any_horizontal(pl.all().is_not_null()))
    return frame.filter(~pl.col(frame.columns[0]).fill_null("").str.starts_with("合计"))


def _sheet(rows: list[list[object]], titles: list[str]) -> pl.DataFrame:
    """A sheet's rows from the header on."""
    start = next(i for i, row in enumerate(rows) if set(titles) & {str(c) for c in row})
    head = [str(c).strip() for c in rows[start]]
    body = [[None if c == "" else _text(c) for c in row] for row in rows[start + 1 :]]
    return pl.DataFrame(body, schema=dict.fromkeys(head, pl.String), orient="row")


def _is_utf8(raw: bytes) -> bool:
    try:
        raw.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def _text(cell: object) -> str:
    if isinstance(cell, float) and cell.is_integer():
        return str(int(cell))
    return str(cell)


def column_sql(spec: str) -> tuple[str, list[str], list[str]]:
    """A column's name, its value in six stages (``v`` is the stage before), and its checks.

    A check is ``condition of failure|reason``.
    """
    title, name, kind, *marks = spec.split(" ")
    given = {mark[0]: mark[1:] for mark in marks}
    stages = [f"trim(\"{title}\", ' \t　''')", f"CASE WHEN v NOT IN ('',{NULLS}) THEN v END"]
    if kind != "t" or given.keys() & {"@", "~", "!"}:
        stages.append("upper(translate(v,'０１２３４５６７８９Ｘ','0123456789X'))")
    if "0" in given:
        width = given["0"]
        stages.append(f"CASE WHEN length(v)<{width} THEN lpad(v,{width},'0') ELSE v END")
    if "@" in given:
        pairs = ",".join(f"'{k}':'{v}'" for k, v in code_map(given["@"]).items())
        stages.append(f"coalesce(MAP{{{pairs}}}[v],v)")
    stages.append(TYPED.get(kind, "v"))
    return name, stages + ["v"] * (6 - len(stages)), _checks(name, kind, given)


def _checks(name: str, kind: str, given: dict[str, str]) -> list[str]:
    """The cell rules of a column."""
    fails = ["v IS NULL|required"] if "*" in given else []
    if "@" in given:
        codes = ",".join(f"'{c}'" for c in sorted(set(code_map(given["@"]).values())))
        fails.append(f"v NOT IN ({codes})|code")
    if "~" in given:
        fails.append(f"NOT regexp_matches(v,'{given['~']}')|pattern")
    if "#" in given:
        fails.append(f"length(v)>{given['#']}|length")
    for sign, test in ((">", "<"), ("<", ">")):
        if sign in given:
            bound = f"DATE '{given[sign]}'" if kind == "d" else given[sign]
            fails.append(f"v{test}{bound}|range")
    if "!" in given:
        fails.append(f"NOT ({FORMATS[given['!']]})|format")
    if "^" in given:
        parent, key = given["^"].split(".")
        fails.append(f"v NOT IN (SELECT {key} FROM {parent} WHERE {key} IS NOT NULL)|reference")
    return [_reason(fail, name) for fail in fails]


def _reason(fail: str, name: str) -> str:
    test, rule = fail.rsplit("|", 1)
    return f"{test}|{name}.{rule}"


def load(con: duckdb.DuckDBPyConnection, feed: dict[str, list[str]], inbox: Path) -> None:
    """Read, type, check, deduplicate and store one feed."""
    name, titles = feed["name"][0], [c.split(" ")[0] for c in feed["columns"]]
    frames = [read(p, titles) for p in sorted(inbox.glob(feed["file"][0]))]
    staged = pl.concat(frames, how="diagonal")
    con.register(
        "staged",
        staged.with_columns(
            pl.lit(None, pl.String).alias(t) for t in titles if t not in staged.columns
        ).to_arrow(),
    )
    columns = [column_sql(spec) for spec in feed["columns"]]
    source = "staged"
    for stage in range(6):
        named = ",".join(f"{_named(stages[stage], c)} AS {c}" for c, stages, _ in columns)
        source = f"(SELECT {named} FROM {source})"
    checks = []
    for column, _, fails in columns:
        for fail in fails:
            test, reason = fail.rsplit("|", 1)
            checks.append((_named(test, column), reason))
    for rule in feed["rules"]:
        rule_id, expression = rule.split(" ", 1)
        checks.append((f"({expression.replace(':delivered_at', NOW)}) IS FALSE", rule_id))
    reasons = ",".join(f"CASE WHEN {test} THEN '{reason}' END" for test, reason in checks)
    con.execute(f"CREATE TEMP TABLE typed AS FROM {source}")
    con.execute(
        f"CREATE TEMP TABLE checked AS SELECT *, concat_ws(';',{reasons}) AS why FROM typed"
    )
    key = ",".join(feed["key"])
    order = "" if feed["order"] == ["-"] else f"ORDER BY {feed['order'][0]} DESC NULLS LAST"
    con.execute(
        f"CREATE TABLE {name} AS SELECT * EXCLUDE (why), FALSE AS _is_deleted FROM checked "
        f"WHERE why='' QUALIFY row_number() OVER (PARTITION BY {key} {order})=1"
    )
    con.execute(f"CREATE TABLE rejected_{name} AS SELECT * FROM checked WHERE why<>''")
    con.execute("DROP TABLE typed; DROP TABLE checked")
    con.unregister("staged")


def _named(test: str, column: str) -> str:
    """A check's text with ``v`` as the column; text in quotes stays."""
    words = test.split("'")
    words[::2] = [re.sub(r"\bv\b", column, word) for word in words[::2]]
    return "'".join(words)


def marts(con: duckdb.DuckDBPyConnection, county: str, day: str) -> None:
    """The same marts: the project's own SELECTs over plain tables of the same names."""
    con.execute("CREATE SCHEMA silver; CREATE SCHEMA gold; CREATE SCHEMA report")
    for feed in feeds():
        con.execute(f"CREATE VIEW silver.{feed['name'][0]} AS SELECT * FROM main.{feed['name'][0]}")
    waiting = sorted((ROOT / "sql").glob("gold/*.sql")) + sorted(
        (ROOT / "sql").glob("report/*.sql")
    )
    for _ in range(len(waiting)):
        for path in list(waiting):
            text = path.read_text(encoding="utf-8")
            text = text.replace(":cut_off_at", f"TIMESTAMPTZ '{day} 20:00:00+08'")
            text = text.replace(":day", f"DATE '{day}'").replace(":site_code", f"'{county}'")
            if "ops." in text:
                waiting.remove(path)
                continue
            try:
                con.execute(f"CREATE TABLE {path.parent.name}.{path.stem} AS {text}")
            except duckdb.CatalogException:
                continue
            waiting.remove(path)


def main() -> None:
    """Do the day and say how many rows each table has."""
    inbox, out, county, day = Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3], sys.argv[4]
    con = duckdb.connect(str(out), config={"memory_limit": "4GiB"})
    for feed in feeds():
        load(con, feed, inbox)
        name = feed["name"][0]
        kept = con.execute(f"SELECT count(*) FROM {name}").fetchone()
        sys.stdout.write(f"{name}: {kept[0] if kept else 0}\n")
    marts(con, county, day)
    con.close()


if __name__ == "__main__":
    main()
