"""JSON documents: every shape they come in, numbers as written, growing objects, refusals."""

from __future__ import annotations

import dataclasses
import gzip
import json
import tempfile
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dagster_project.contracts.model import Column, Feed
from dagster_project.errors import DeliveryError
from dagster_project.ingest.readers import ReadResult, read
from dagster_project.ingest.readers.json.table import JsonTable
from dagster_project.ingest.readers.ledger import Ledger
from dagster_project.ingest.readers.limits import Limits
from dagster_project.ingest.readers.table.generic import ad_hoc
from dagster_project.ingest.readers.verdict import verdict

CONTRACT = dataclasses.replace(
    ad_hoc([]),
    name="population",
    columns=(
        Column("person_no", "人员编号", "string", key_position=1, required=True),
        Column("name", "姓名", "string", aliases=("person.name",)),
        Column("area_sqm", "面积", "decimal", unit="㎡"),
        Column("person_town", "镇", "string"),
    ),
    formats=("json",),
)


def deliver(
    tmp_path: Path, text: str | bytes, feed: Feed | None = None, **options: Any
) -> ReadResult:
    """Read a document by a contract, or without one."""
    path = tmp_path / "a.bin"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return read(path, feed, "b", tmp_path / "rows.parquet", name="a.json", **options)


def rows(tmp_path: Path) -> list[dict[str, Any]]:
    """The rows that were written, without what the batch adds to each."""
    frame = pl.read_parquet(tmp_path / "rows.parquet")
    return frame.drop("_defect", "_sheet", "_batch_id", "_source_row").rows(named=True)


@pytest.mark.parametrize(
    "text",
    [
        '{"a":1,"b":"x"}\n{"a":2,"b":"y"}\n',
        '{"a":1,"b":"x"}\r\n\r\n{"a":2,"b":"y"}',
        '[{"a":1,"b":"x"},\n {"a":2,"b":"y"}]\n',
        '{"code":0,"data":{"total":2,"items":[{"a":1,"b":"x"},{"a":2,"b":"y"}]},"tags":[{"t":1}]}',
        '\ufeff{"rows":[{"a":1,"b":"x"},{"a":2,"b":"y"}]}',
        '{\n  "a": 1,\n  "b": "x"\n}\n{\n  "a": 2,\n  "b": "y"\n}',
    ],
)
def test_every_shape_gives_the_same_rows(tmp_path: Path, text: str) -> None:
    """Lines, an array and an envelope around an array are one table."""
    result = deliver(tmp_path, text)
    assert (result.format, result.rows, result.read) == ("json", 2, 2)
    assert rows(tmp_path) == [
        {"a": "1", "b": "x", "_extra": None},
        {"a": "2", "b": "y", "_extra": None},
    ]


def test_values_keep_their_written_form(tmp_path: Path) -> None:
    """No number goes through a float; an empty text and null are NULL; arrays stay JSON."""
    deliver(
        tmp_path,
        '{"a":1.10,"b":1e3,"c":123456789012345678901,"d":-0.0,"e":true,"f":null,"g":"",'
        '"h":[1.10, {"k" : "平"}, null, false],"i":{"j":{"k":"深"},"l":7},'
        '"m":"\\u5e73\\ud842\\udfb7"}',
    )
    assert rows(tmp_path)[0] == {
        "a": "1.10", "b": "1e3", "c": "123456789012345678901", "d": "-0.0", "e": "true",
        "f": None, "g": None, "h": '[1.10,{"k":"平"},null,false]', "i.j.k": "深", "i.l": "7",
        "m": "平𠮷", "_extra": None,
    }  # fmt: skip


def test_columns_are_matched_and_others_kept(tmp_path: Path) -> None:
    """Names, titles and aliases name columns; what the contract lacks is in `_extra`, and told."""
    result = deliver(
        tmp_path,
        '{"PERSON_NO":"1","person":{"name":"王","town":"冠山"},"面积(㎡)":1.50}\n'
        '{"PERSON_NO":"2","person":null,"phone":{"home":"5","mobile":null}}\n',
        CONTRACT,
    )
    assert rows(tmp_path) == [
        {"person_no": "1", "name": "王", "area_sqm": "1.50", "person_town": "冠山", "_extra": None},
        {
            "person_no": "2", "name": None, "area_sqm": None, "person_town": None,
            "_extra": '{"person":null,"phone.home":"5","phone.mobile":null}',
        },
    ]  # fmt: skip
    assert result.missing == ()
    assert result.unknown == ("phone.home", "phone.mobile")
    assert pl.read_parquet(tmp_path / "rows.parquet")["_source_row"].to_list() == [1, 2]


def test_a_field_that_appears_late_is_found(tmp_path: Path) -> None:
    """Nested objects grow in the middle of a file; rows before have NULL there."""
    lines = [json.dumps({"n": n} | ({"o": {"p": n}} if n > 40_000 else {})) for n in range(40_002)]
    result = deliver(tmp_path, "\n".join(lines))
    assert result.rows == 40_002
    assert [row["o.p"] for row in rows(tmp_path)[-2:]] == [None, "40001"]


def test_a_missing_required_column_refuses_or_is_told(tmp_path: Path) -> None:
    """A column that no record has is missing; leniently that is only told."""
    with pytest.raises(DeliveryError) as refused:
        deliver(tmp_path, '{"姓名":"王"}', CONTRACT)
    assert refused.value.reason == "columns_missing"
    assert not (tmp_path / "rows.parquet").exists()
    result = deliver(tmp_path, '{"姓名":"王"}', CONTRACT, lenient=True)
    assert result.missing == ("person_no", "area_sqm", "person_town")


def test_one_record_with_an_inner_array_is_one_record(tmp_path: Path) -> None:
    """An object that names the contract's columns is a record, whatever arrays it holds."""
    text = '{"person_no":"1","姓名":"王","family":[{"age":1},{"age":2},{"age":3}]}'
    assert deliver(tmp_path, text, CONTRACT).rows == 1
    assert deliver(tmp_path, text).rows == 3


@pytest.mark.parametrize("text", ["[]", '{"total":0,"data":{"items":[]}}'])
def test_no_records_are_no_fault_of_columns(tmp_path: Path, text: str) -> None:
    """An empty list of records is read as such: nothing is missing in it."""
    result = deliver(tmp_path, text, CONTRACT)
    assert (result.rows, result.missing) == (0, ())
    assert result.warnings == ("a.json: the file holds no records.",)


@pytest.mark.parametrize(
    ("text", "reason", "said"),
    [
        ('{"a":1}\n{"a":', "damaged", "line 2, record 2"),
        ('[{"a":1},{"a":2}', "damaged", "uploaded only in part"),
        ('{"a":1}\n{"a":"x', "damaged", "uploaded only in part"),
        ('{"a":tru', "damaged", "uploaded only in part"),
        ('{"a":1,"a":2}', "malformed", "names a field twice"),
        ('[{"a":{"b":1},"a.b":2}]', "malformed", "come to one name"),
        ('{"a":1}\n{"a":NaN}', "malformed", "NaN is no value of JSON"),
        ('{"a":-Infinity}', "malformed", "-Infinity is no value"),
        ('{"a":1}\n{"a":2}\nend', "malformed", "line 3, record 3"),
        ('[{"a":1}] [', "malformed", "follows the document's array"),
        ('{"a":[{"b":1}]} ]', "malformed", "follows the document's object"),
        ('[{"a":1},]', "malformed", "a record (an object) is expected"),
        ('[{"a":1},7]', "malformed", "record 2"),
        ('{"a":1},\n{"a":2}', "malformed", "follows the document's object"),
        ("{'a':1}\n" + '{"a":1}\n', "no_header", ""),
        ('{"a":1}\n{"a":1,}\n' + '{"a":1}\n' * 50, "malformed", "line 2, record 2"),
        ('["a","b"]', "not_a_table", "holds no objects"),
        ('[["a"],["b"]]', "not_a_table", "holds no objects"),
        ("{}", "no_text", "no records with fields"),
        ('{"a":' * 100 + "1" + "}" * 100, "malformed", "nested too deeply"),
        ('{"a":' + "[" * 100_000, "malformed", "nested too deeply"),
        ('{"a":"' + "x" * 3_000_000 + '"}\n{"a":1}', "too_large", "a record takes more than 1 MiB"),
        ("{" + ",".join(f'"k{n}":1' for n in range(17_000)) + "}", "too_large", "16384"),
    ],
    ids=lambda value: value[:24],
)
def test_what_is_no_table_is_refused_by_name(
    tmp_path: Path, text: str, reason: str, said: str
) -> None:
    """A refusal says why and where, and never what a cell holds."""
    with pytest.raises(DeliveryError) as refused:
        deliver(tmp_path, text, limits=Limits(record_bytes=1 << 20))
    assert refused.value.reason == reason
    assert said in str(refused.value)
    assert not (tmp_path / "rows.parquet").exists()


def test_lost_and_mangled_characters_are_marked(tmp_path: Path) -> None:
    """Half a character is lost for ever; NULs go, as from every text; decoded wrongly is marked."""
    result = deliver(
        tmp_path,
        '{"person_no":"\\ud842x","姓名":"y\\u0000z"}\n{"person_no":"å¹³å®š","姓名":"t\tu"}',
        CONTRACT,
        lenient=True,
    )
    frame = pl.read_parquet(tmp_path / "rows.parquet")
    assert frame["_defect"].to_list() == ["garbled", "mojibake"]
    assert frame["name"].to_list() == ["yz", "t\tu"]
    assert result.sheets[0].defects == {"garbled": 1, "mojibake": 1}
    assert result.sheets[0].set_aside == 1


def test_other_encodings_and_wrappings(tmp_path: Path) -> None:
    """UTF-16, GB18030 where the contract says so, and gzip are read alike."""
    record = {"人员编号": "1", "姓名": "龦𠀀平定县冠山镇居民"}
    text = json.dumps(record, ensure_ascii=False)
    expected = "龦𠀀平定县冠山镇居民"
    chinese = dataclasses.replace(CONTRACT, encodings=("gb18030", "utf-16"))
    for data in (text.encode("gb18030"), b"\xff\xfe" + text.encode("utf-16-le")):
        deliver(tmp_path, data, chinese, lenient=True)
        assert rows(tmp_path)[0]["name"] == expected
    deliver(tmp_path, gzip.compress(text.encode()), CONTRACT, lenient=True)
    assert rows(tmp_path)[0]["name"] == expected


def test_two_fields_for_one_column_are_refused(tmp_path: Path) -> None:
    """Neither of them is preferred in silence."""
    with pytest.raises(DeliveryError, match="are both 姓名") as refused:
        deliver(tmp_path, '{"person_no":"1","姓名":"x","NAME":"y"}', CONTRACT)
    assert refused.value.reason == "columns_ambiguous"


def test_a_contract_without_the_format_refuses_it(tmp_path: Path) -> None:
    """JSON is taken only where the contract lists it."""
    with pytest.raises(DeliveryError, match="this is a json file"):
        deliver(tmp_path, "[]", dataclasses.replace(CONTRACT, formats=("csv",)))


def test_a_verdict_tells_what_was_read(tmp_path: Path) -> None:
    """`countylake read` shows columns, counts and where the records were."""
    path = tmp_path / "answer.json"
    path.write_text('{"data":[{"a":1},{"b":2}]}', encoding="utf-8")
    told = verdict(path)
    assert told["format"] == "json"
    assert told["refused"] is None
    assert told["sheets"][0]["columns"] == ["a", "b"]
    assert (told["sheets"][0]["records"], told["sheets"][0]["data_rows"]) == (2, 2)
    assert "the records are those at data (2)" in told["warnings"][0]


NAMES = st.sampled_from(["a", "b", "名", "c d", "e"])
SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00\ufffd")),
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(NAMES, inner, max_size=3)),
    max_leaves=8,
)
RECORDS = st.lists(st.dictionaries(NAMES, VALUES, max_size=4), min_size=1, max_size=12)


def flat(record: dict[str, Any], prefix: str = "") -> dict[str, str | None]:
    """What a record should become, said in another way than the reader does."""
    made: dict[str, str | None] = {}
    for name, value in record.items():
        if isinstance(value, dict):
            made |= flat(value, f"{prefix}{name}.")
        elif value is None or value == "":
            made[prefix + name] = None
        elif isinstance(value, str):
            made[prefix + name] = value
        else:
            made[prefix + name] = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    return made


@settings(max_examples=60, suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(records=RECORDS, chunk=st.integers(1, 40), shape=st.sampled_from(["lines", "array", "in"]),
       ascii_only=st.booleans(), indent=st.sampled_from([None, 1]))  # fmt: skip
def test_any_document_comes_back_cut_anywhere(
    records: list[dict[str, Any]], chunk: int, shape: str, *, ascii_only: bool, indent: int | None
) -> None:
    """Whatever records there are and wherever blocks end: rows equal what the stdlib reads."""
    expected = [flat(record) for record in records]
    names = list(dict.fromkeys(name for record in expected for name in record))
    text = json.dumps(records, ensure_ascii=ascii_only, indent=indent)
    if shape == "lines":
        text = "\n".join(json.dumps(r, ensure_ascii=ascii_only, indent=indent) for r in records)
    elif shape == "in":
        text = json.dumps({"n": [], "o": {"p": records}}, ensure_ascii=ascii_only, indent=indent)
    feed = dataclasses.replace(ad_hoc(names or ["z"]), formats=("json",))
    with tempfile.TemporaryDirectory() as folder:
        path, out = Path(folder) / "a", Path(folder) / "out"
        path.write_text(text, encoding="utf-8", newline="")
        done = JsonTable(feed, "b", "a", Ledger(), lenient=True).read(path, out, chunk=chunk)
        assert done == len(records)
        got = pl.read_parquet(out).select(names).rows(named=True) if names else []
    if names:
        assert got == [{name: one.get(name) for name in names} for one in expected]
