"""Every repair and every type of ``conform``, cell by cell (domain §9)."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from typing import Any

import pytest

from dagster_project.contracts.model import Code, CodeList, Column, Contracts
from dagster_project.transform.conform import compile_feed
from tests.conform_kit import cells, feed_of, judge, one_cell, plan_of

TEXT = Column("c", "备注", "string", textual=True)
CODE = Column("c", "编号", "string")
NAME = Column("c", "姓名", "string", format="person_name", textual=True)
WHOLE = Column("c", "数量", "integer")
MONEY = Column("c", "金额", "decimal", unit="元")
AREA = Column("c", "面积", "decimal", unit="亩")
DAY = Column("c", "日期", "date")
TIME = Column("c", "时间", "timestamp")
FLAG = Column("c", "是否", "boolean", codes="flag")
SEX = Column("c", "性别", "string", codes="sex")
GRADE = Column("c", "等级", "string", codes="grade", pad=2)
PADDED = Column("c", "区号", "string", pad=4)
PHONE = Column("c", "电话", "string", format="phone", nulls=("0",))
ID = Column("c", "身份证", "string", format="resident_id")
USCC = Column("c", "代码", "string", format="uscc")

at = datetime.fromisoformat


def _name(column: Column) -> str:
    return f"{column.type}-{column.format or column.codes or column.unit or column.title}"


REPAIRED: list[tuple[Column, str | None, Any, list[str], list[str]]] = [
    # Clean cells stay as they are.
    (TEXT, "平定县冠山镇3号", "平定县冠山镇3号", [], []),
    (CODE, "HT-2023(1)", "HT-2023(1)", [], []),
    (CODE, None, None, [], []),
    (CODE, "", None, [], []),
    # Blanks, wrappers, invisible characters (D05).
    (TEXT, "　平定 县\u00a0\t", "平定 县", ["trim"], []),
    (CODE, "'140321", "140321", ["trim"], []),
    *((CODE, s, "P001", ["trim"], []) for s in ("'P001'", "' P001 '", "'P001' ", "'P001")),
    *((CODE, s, None, ["trim"], []) for s in ("'", "''", "' '")),
    (CODE, "P001'", "P001'", [], []),
    (TEXT, "'冠山镇'", "冠山镇", ["trim"], []),
    (CODE, '="140321"', "140321", ["trim"], []),
    (CODE, "\u200b140321\ufeff", "140321", ["trim"], []),
    (TEXT, "   ", None, ["trim"], []),
    # Full width on codes only (D04).
    (CODE, "１４０３２１Ａ", "140321A", ["full_width"], []),
    (CODE, "冠山（１）号", "冠山(1)号", ["full_width"], []),
    (TEXT, "第①组（１）", "第①组（１）", [], []),
    (NAME, "买买提·艾合买提", "买买提·艾合买提", [], []),
    # Other compatibility characters of codes (D04): another character, so it is logged.
    (CODE, "HT－①", "HT-1", ["full_width"], ["compatibility"]),
    (CODE, "第⑫号⑴", "第12号(1)", [], ["compatibility"]),
    (CODE, "Ⅲ级﹣ⅳ", "III级-iv", [], ["compatibility"]),
    (CODE, "⼭⽔㈢", "山水(三)", [], ["compatibility"]),
    (CODE, "A²\u00a0B", "A2 B", [], ["compatibility"]),
    (CODE, "50㎡", "50㎡", [], []),
    (WHOLE, "①②", 12, [], ["compatibility"]),
    # Names (D22): one dot, characters that were taken apart; other characters stay.
    *((NAME, f"买买提{dot}艾合买提", "买买提·艾合买提", [], ["name_dot"]) for dot in "•・．.‧･"),
    (NAME, "阿・卜・杜", "阿·卜·杜", [], ["name_dot"]),
    (NAME, "John.Smith", "John.Smith", [], []),
    (NAME, "张（氵甸）", "张𣵦", [], ["name_glyph"]),
    (NAME, "张(王月)生", "张玥生", [], ["name_glyph"]),
    (NAME, "张三（已故）", "张三（已故）", [], []),
    *((NAME, name, name, [], []) for name in ("龠䶮", "𠮷田", "張飛", "王*", "李**")),
    (WHOLE, "１２", 12, ["full_width"], []),
    # Null spellings (D14) keep what they say; free text knows a spreadsheet's errors only.
    *((CODE, s, None, ["null_mark"], []) for s in ("——", "—", "-", "/", "\\N", "NULL", "N/A")),
    (CODE, "无", None, ["null_none"], []),
    (CODE, " 暂无 ", None, ["trim", "null_none"], []),
    (DAY, "不详", None, ["null_unknown"], []),
    (MONEY, "未知", None, ["null_unknown"], []),
    *((c, s, None, [], ["null_error"]) for c in (CODE, TEXT, DAY) for s in ("#N/A", "########")),
    (CODE, "＃REF！", None, ["full_width"], ["null_error"]),
    (TEXT, "无", "无", [], []),
    (TEXT, "#3号楼", "#3号楼", [], []),
    (NAME, "不详", None, ["null_unknown"], []),
    (PHONE, "0", None, ["null_mark"], []),
    (PHONE, "无", None, ["null_none"], []),
    (FLAG, "无", False, [], ["code_synonym"]),
    # Whole numbers.
    (WHOLE, "-12", -12, [], []),
    (WHOLE, "1,234,567", 1234567, ["money_text"], []),
    (WHOLE, "12.0", 12, ["money_text"], []),
    (WHOLE, "007", 7, [], []),
    # Money (D15).
    (MONEY, "1234.5", Decimal("1234.50"), [], []),
    (MONEY, "1234.500", Decimal("1234.50"), [], []),
    (MONEY, "1,234.56", Decimal("1234.56"), ["money_text"], []),
    (MONEY, "￥1,234.56元", Decimal("1234.56"), ["money_text"], []),
    (MONEY, "¥ 88", Decimal("88.00"), ["money_text"], []),
    (MONEY, "１，２３４", Decimal("1234.00"), ["full_width", "money_text"], []),
    (MONEY, "12.5万", Decimal("125000.00"), [], ["money_text"]),
    (MONEY, "1.71亿元", Decimal("171000000.00"), [], ["money_text"]),
    (MONEY, "0.123456万元", Decimal("1234.56"), [], ["money_text"]),
    (MONEY, "(500.00)", Decimal("-500.00"), [], ["money_text"]),
    (MONEY, "500-", Decimal("-500.00"), [], ["money_text"]),
    (MONEY, "伍佰元整", Decimal("500.00"), [], ["money_text"]),
    (MONEY, "壹拾贰万叁仟零肆元伍角陆分", Decimal("123004.56"), [], ["money_text"]),
    (AREA, "3.5亩", Decimal("3.50"), ["money_text"], []),
    (MONEY, "-￥500", Decimal("-500.00"), ["money_text"], []),
    (MONEY, "￥-500", Decimal("-500.00"), ["money_text"], []),
    (MONEY, "（500.00）", Decimal("-500.00"), ["full_width"], ["money_text"]),
    (MONEY, "1，234.5元整", Decimal("1234.50"), ["full_width", "money_text"], []),
    *(
        (MONEY, spelled, Decimal(amount), [], ["money_text"])
        for spelled, amount in (
            ("壹佰贰拾叁万肆仟伍佰元陆角柒分", "1234500.67"),
            ("人民币壹亿零伍拾万圆整", "100500000.00"),
            ("壹仟零壹元零伍分", "1001.05"),
            ("拾万元整", "100000.00"),
            ("贰拾元伍角整", "20.50"),
            ("叁角伍分", "0.35"),
            ("零元整", "0.00"),
            ("廿伍元", "25.00"),
            ("壹萬貳仟參佰圓整", "12300.00"),
        )
    ),
    # Days (D12).
    (DAY, "2023-05-31", date(2023, 5, 31), [], []),
    *(
        (DAY, s, date(2023, 5, 31), ["date_format"], [])
        for s in ("2023年5月31日", "2023.5.31", "2023/5/31", "20230531", "2023-5-31")
    ),
    (DAY, "2023-05-31 00:00:00", date(2023, 5, 31), ["date_format"], []),
    (DAY, "2023-05-31 09:05", date(2023, 5, 31), [], ["date_format"]),
    *(
        (DAY, s, date(2023, 5, 31), ["date_format"], [])
        for s in ("二〇二三年五月三十一日", "二○二三年五月卅一日", "2023年5月31号")
    ),
    (DAY, "二零二三年十月二十日", date(2023, 10, 20), ["date_format"], []),
    (DAY, "二〇二三年〇五月一〇日", date(2023, 5, 10), ["date_format"], []),
    *(
        (DAY, s, date(2023, 5, 31), [], ["date_roc"])
        for s in ("民國112年5月31日", "民国112.5.31", "中華民國一一二年五月三十一日")
    ),
    (DAY, "民国元年1月1日", date(1912, 1, 1), [], ["date_roc"]),
    *(
        (DAY, s, date(2023, 5, 31), [], ["date_century"])
        for s in ("23-5-31", "23/05/31", "23.5.31", "23年5月31日", "23-05-31")
    ),
    (DAY, "２３．５．３１", date(2023, 5, 31), ["full_width"], ["date_century"]),
    (DAY, "45077", date(2023, 5, 31), [], ["date_serial"]),
    (DAY, "44559", date(2021, 12, 29), [], ["date_serial"]),
    (DAY, "45351.0", date(2024, 2, 29), [], ["date_serial"]),
    # Times.
    (TIME, "2023-05-31 09:05:07", at("2023-05-31T09:05:07"), [], []),
    *(
        (TIME, s, at("2023-05-31T09:05:00"), ["date_format"], [])
        for s in (
            *("2023-5-31 上午9:05", "2023/5/31 9:05", "2023年5月31日9时5分"),
            *("2023-05-31T09:05:00", "20230531 09:05:00", "2023年5月31日 9:05"),
            *("2023-05-31T09:05:00+08:00", "2023/5/31 9:05:00 AM", "2023-05-31 09:05:00.000"),
            # As PostgreSQL writes a timestamptz, with and without a part of a second.
            *("2023-05-31 09:05:00+08", "2023-05-31 09:05:00.000000+08"),
        )
    ),
    (TIME, "2023-5-31 下午3:05", at("2023-05-31T15:05:00"), ["date_format"], []),
    (TIME, "2023-05-31", at("2023-05-31T00:00:00"), ["date_format"], []),
    (TIME, "45077.5", at("2023-05-31T12:00:00"), [], ["date_serial"]),
    # Flags and codes (D26, D09).
    (FLAG, "1", True, [], []),
    (FLAG, "是", True, [], ["code_synonym"]),
    (SEX, "男", "1", [], ["code_synonym"]),
    (SEX, " M ", "1", ["trim"], ["code_synonym"]),
    (SEX, "未知", "0", [], ["code_synonym"]),
    (SEX, "２", "2", ["full_width"], []),
    (GRADE, "1", "01", [], ["zero_pad"]),
    (GRADE, "二级", "02", [], ["code_synonym"]),
    (PADDED, "353", "0353", [], ["zero_pad"]),
    (PADDED, "0353", "0353", [], []),
    # Phones (D23).
    (PHONE, "13800000000", "13800000000", [], []),
    (PHONE, "0353-6060000", "0353-6060000", [], []),
    (PHONE, "138-0000-0000", "13800000000", [], ["phone_clean"]),
    (PHONE, "+86 138 0000 0000", "13800000000", [], ["phone_clean"]),
    (PHONE, "（0353）6060000", "03536060000", ["full_width"], ["phone_clean"]),
    (PHONE, "13800000000/13900000000", "13800000000", [], ["phone_clean"]),
    (PHONE, "13800000000、0353-6060000", "13800000000", [], ["phone_clean"]),
    (PHONE, "0353 6060000", "03536060000", [], ["phone_clean"]),
    (PHONE, "0086-13800000000", "13800000000", [], ["phone_clean"]),
    # Identity (D06, D10).
    (ID, "14032119880808002x", "14032119880808002X", [], ["upper"]),
    (ID, "140321620630888", "140321196206308884", [], ["id_15_to_18"]),
    (ID, "\t140321199003071235", "140321199003071235", ["trim"], []),
    (USCC, "n2140321mf1234abx2", "N2140321MF1234ABX2", [], ["upper"]),
]


@pytest.mark.parametrize("column", list(dict.fromkeys(c for c, *_ in REPAIRED)), ids=_name)
def test_cells_are_repaired_and_typed(column: Column) -> None:
    """The value is exact, and each repair is counted or logged as it should be."""
    cases = [(raw, *rest) for c, raw, *rest in REPAIRED if c is column]
    found = [
        (
            case[0],
            row.values["c"],
            [repair for _, repair in row.counted],
            [repair for _, repair in row.logged],
        )
        for case, row in zip(cases, cells(column, [raw for raw, *_ in cases]), strict=True)
    ]
    assert found == cases
    assert all(row.ok for row in cells(column, [raw for raw, *_ in cases]))


BROKEN: list[tuple[Column, str, str]] = [
    (WHOLE, "1.5", "c.type"),
    (WHOLE, "1e3", "c.type"),
    (WHOLE, "0x10", "c.type"),
    (WHOLE, "1_000", "c.type"),
    (WHOLE, "12,34", "c.type"),
    (WHOLE, "99999999999999999999", "c.type"),
    (MONEY, "12.345", "c.type"),  # never rounded
    (MONEY, "1.2345678万", "c.type"),
    (MONEY, "1.71E8", "c.type"),
    (MONEY, "12.5万5", "c.type"),
    (MONEY, "一百元", "c.type"),
    (MONEY, "99999999999999999.00", "c.type"),
    (AREA, "(5)", "c.type"),
    (MONEY, "壹贰叁元", "c.type"),  # a digit without its place
    (MONEY, "壹佰万", "c.type"),
    (MONEY, "万元", "c.type"),
    (MONEY, "壹佰贰拾叁拾元", "c.type"),
    (MONEY, "-￥-5", "c.type"),
    (MONEY, "$100", "c.type"),
    (MONEY, "500--", "c.type"),
    (DAY, "2023-02-29", "c.type"),
    (DAY, "2023-04-31", "c.type"),
    (DAY, "2023-05", "c.type"),
    *((DAY, s, "c.type") for s in ("5/31/23", "3-5-31", "23-5", "23-5/31", "23年5-31", "230531")),
    *((DAY, s, "c.type") for s in ("23-2-29", "23-13-1", "24年4月31日")),
    (DAY, "1900-01-00", "c.type"),
    (DAY, "112.5.31", "c.type"),  # the Republic's years only by name
    (DAY, "民国112年2月30日", "c.type"),
    (DAY, "民国〇年1月1日", "c.type"),
    (DAY, "二〇二三年五月", "c.type"),
    (DAY, "二三年五月一日", "c.type"),
    (DAY, "二〇二三年二月三十日", "c.type"),
    (DAY, "2023年5月", "c.type"),
    (DAY, "202305", "c.type"),
    (DAY, "0023-05-31", "c.type"),
    (DAY, "9999-12-31", "c.type"),
    (DAY, "永久", "c.type"),
    (DAY, "19999", "c.type"),
    (DAY, "60001", "c.type"),
    (DAY, "农历五月初五", "c.type"),
    (DAY, "长期", "c.type"),
    (TIME, "2023-05-31 25:00:00", "c.type"),
    (TIME, "9999-12-31 00:00:00", "c.type"),
    (TIME, "2023-05-31T09:05:00Z", "c.type"),
    (TIME, "2023-05-31 下午15:05", "c.type"),
    (FLAG, "2", "c.type"),
    (SEX, "3", "c.code"),
    (SEX, "雄", "c.code"),
    (GRADE, "3", "c.code"),
    (PHONE, "1380000000", "c.format"),
    (PHONE, "6060000", "c.format"),
    (PHONE, "电话13800000000", "c.format"),
    (NAME, "张", "c.format"),
    (NAME, "张3", "c.format"),
    (NAME, "张?三", "c.format"),
    (NAME, "张？", "c.format"),
    (NAME, "张\ue123", "c.format"),
    (NAME, "张（氵火）", "c.format"),
    (NAME, "张□", "c.format"),
    # Not wrong but incomplete (D07, D08, D11): the sender learns which.
    (ID, "1403**********1235", "c.masked"),
    (ID, "140321XXXXXXXX1235", "c.masked"),
    (PHONE, "138****0000", "c.masked"),
    (USCC, "9114****0H0A1B6J", "c.masked"),
    (ID, "1.40321199003071E+17", "c.rounded"),
    (ID, "1.40321E+17", "c.rounded"),
    (ID, "140321199003071000", "c.rounded"),
    (ID, "140321199003071232", "c.format"),
    (ID, "1.40321E+15", "c.format"),
    (USCC, "91140321MAXXXXXX3D", "c.format"),
    (ID, "140321620630996", "c.format"),  # a centenarian's number: not upgraded
    (ID, "140321196206318885", "c.format"),
]


@pytest.mark.parametrize("column", list(dict.fromkeys(c for c, *_ in BROKEN)), ids=_name)
def test_a_cell_that_cannot_be_read_gives_one_reason(column: Column) -> None:
    """Nothing is guessed, rounded or cut; the one reason is the first rule that fails."""
    cases = [(raw, (reason,)) for c, raw, reason in BROKEN if c is column]
    rows = cells(column, [raw for raw, _ in cases])
    assert [(raw, row.reasons) for (raw, _), row in zip(cases, rows, strict=True)] == cases
    assert not any(row.ok for row in rows)


def test_an_id_that_ends_in_three_zeros_may_be_valid() -> None:
    """A sequence may end in 00 before a check digit 0: only an invalid number was rounded."""
    assert one_cell(ID, "140321199003013000").ok
    assert one_cell(ID, "140321199003023000").reasons == ("c.rounded",)


def test_a_column_may_spell_its_own_nulls() -> None:
    """``长期`` is no date, but a contract may say that it means an open end."""
    judged = one_cell(Column("c", "至", "date", nulls=("长期", "9999-12-31")), "长期")
    assert (judged.ok, judged.values["c"]) == (True, None)
    judged = one_cell(Column("c", "至", "date", nulls=("长期", "9999-12-31")), "9999-12-31")
    assert (judged.ok, judged.values["c"]) == (True, None)


def test_a_clean_cell_and_a_dirty_one_of_the_same_value_have_the_same_hash() -> None:
    """Repairs come before the record's hash, so a re-typed delivery is a duplicate."""
    plan = plan_of(
        feed_of(CODE, Column("d", "日", "date"), Column("m", "元", "decimal", unit="元"))
    )
    clean, dirty = judge(
        plan,
        {"c": "1", "d": "2023-05-31", "m": "125000"},
        {"c": "１", "d": "45077", "m": "12.5万元"},
    )
    assert clean.values == dirty.values


def test_old_codes_and_old_words_of_a_list_are_read() -> None:
    """What was a code then is one in the rows of then; an old spelling becomes today's code."""
    until = date(2015, 12, 31)
    entries = (
        Code("140303", "矿区", valid_to=until),
        Code("140321", "平定县", ("平定", "142622")),
        Code("2004-101", "现金（2004）", valid_from=date(2005, 1, 1), valid_to=until),
    )
    column = Column("c", "代码", "string", codes="old")
    contracts = Contracts({}, {}, {"old": CodeList("old", "own", entries)})
    key = Column("key", "主键", "string", key_position=1, required=True)
    plan = compile_feed(feed_of(key, column), contracts)
    texts = ["140303", "矿区", "142622", "平定", "2004-101", "142623"]
    found = judge(plan, *({"key": "1", "c": text} for text in texts))
    assert [row.values["c"] for row in found[:5]] == [
        *("140303", "140303", "140321", "140321", "2004-101"),
    ]
    word = (("c", "code_synonym"),)
    assert [row.logged for row in found[:5]] == [(), word, word, word, ()]
    assert found[5].reasons == ("c.code",)
