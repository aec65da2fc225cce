"""Delimited text: delimiters, line ends, quotes, blanks, what stands around the table."""

from __future__ import annotations

from tests.faulty.kit import HEADER, ROWS, TABLE, file, gzipped, lines


def _rows(*more: tuple[str, ...]) -> bytes:
    return lines((*TABLE, *more)).encode("utf-8")


@file("T01_制表符.txt")
def _tabs() -> bytes:
    return lines(TABLE, delimiter="\t").encode("utf-8")


@file("T02_分号.csv")
def _semicolons() -> bytes:
    return lines(TABLE, delimiter=";").encode("utf-8")


@file("T03_竖线.txt")
def _pipes() -> bytes:
    return lines(TABLE, delimiter="|").encode("utf-8")


@file("T04_全角逗号.csv")
def _full_width_commas() -> bytes:
    return lines(TABLE, delimiter="，").encode("gb18030")


@file("T05_cr.csv")
def _cr() -> bytes:
    return lines(TABLE, end="\r").encode("utf-8")


@file("T06_crlf.csv")
def _crlf() -> bytes:
    return lines(TABLE, end="\r\n").encode("utf-8")


@file("T07_crcrlf.csv")
def _crcrlf() -> bytes:
    return lines(TABLE, end="\r\r\n").encode("utf-8")


@file("T08_混合行尾.csv")
def _mixed_ends() -> bytes:
    ends = ("\r\n", "\n", "\r", "\n")
    return "".join(lines([row], end=end) for row, end in zip(TABLE, ends, strict=True)).encode()


@file("T09_末行无行尾.csv")
def _no_last_end() -> bytes:
    return lines(TABLE).rstrip("\n").encode("utf-8")


@file("T10_引号内换行.csv")
def _quoted_newlines() -> bytes:
    return _rows(
        ("P004", '"段\n样丁"', "岔口乡", "7.00", '"第一行\r\n第二行"'),
        ("P005", '"冯,样戊"', "娘子关镇", '"1,008.00"', '"他说""好"""'),
    )


@file("T11_未转义引号.csv")
def _stray_quotes() -> bytes:
    return _rows(
        ("P004", "段样丁", "岔口乡", "7.00", '4"水管'),
        ("P005", '"冯"样"戊"', "娘子关镇", "8.00", "正常"),
    )


@file("T12_引号未闭合.csv")
def _unclosed() -> bytes:
    return _rows(("P004", '"段样丁', "岔口乡", "7.00", ""), ("P005", "冯样戊", "甲", "8.00", ""))


@file("T13_空字节.csv")
def _nuls() -> bytes:
    return _rows(
        ("P004", "段样丁\0\0", "岔口乡", "7.00", "定长字段以空字节补齐"),
        ("P005", "冯样戊", "娘子关镇", "8.00", "\0\0\0"),
    )


@file("T14_ctrl-z结尾.csv")
def _ctrl_z() -> bytes:
    return lines(TABLE, end="\r\n").encode("gb18030") + b"\x1a"


@file("T15_多余空字段.csv")
def _empty_surplus() -> bytes:
    return lines((HEADER, *((*row, "") for row in ROWS))).encode("utf-8")


@file("T16_多余实值.csv")
def _real_surplus() -> bytes:
    return _rows(
        ("P004", "段样丁", "岔口乡", "7.00", "备注一", "备注二"),
        ("P005", "冯样戊", "娘子关镇", "8.00", "地址,未加引号"),
        ("P006", "高样己", "巨城镇", "9.00", "正常"),
    )


@file("T17_字段不足.csv")
def _too_short() -> bytes:
    return _rows(("P004", "段样丁"), ("P005", "冯样戊", "娘子关镇", "8.00", ""), ("P006",))


@file("T18_无表头.csv")
def _no_header() -> bytes:
    return lines(ROWS).encode("gb18030")


@file("T19_表头前sql.csv")
def _sql_above() -> bytes:
    query = (
        "-- 导出语句",
        "SELECT 编号, 姓名, 乡镇, 金额, 备注",
        "  FROM T_SUBSIDY WHERE 金额 > 0;",
        "",
    )
    return ("".join(line + "\n" for line in query) + lines(TABLE)).encode("utf-8")


@file("T20_表头前报告文字.csv")
def _report_above() -> bytes:
    preamble = (
        ("平定县补贴发放明细表", "", "", "", ""),
        ("填报单位：民政局", "", "", "填报日期：2023-05-31", ""),
        ("", "", "", "", ""),
    )
    footer = (
        ("制表人：程样丙", "", "审核人：白样乙", "", ""),
        ("注：金额为实发数", "", "", "", ""),
    )
    return lines((*preamble, *TABLE, *footer)).encode("utf-8")


@file("T21_右侧远处合计块.csv")
def _far_totals() -> bytes:
    wide = [(*row, *[""] * 6) for row in TABLE]
    wide[1] = (*ROWS[0], "", "", "", "", "合计", "2045.75")
    wide[2] = (*ROWS[1], "", "", "", "", "人数", "3")
    return lines(wide).encode("utf-8")


@file("T37_右侧合计块_表头未补齐.csv")
def _far_totals_beyond_header() -> bytes:
    block = (*ROWS[0], "", "", "", "", "合计", "2045.75")
    return lines((HEADER, block, *ROWS[1:])).encode("utf-8")


@file("T22_末行合计_相符.csv")
def _total_agrees() -> bytes:
    return _rows(("合计", "", "", "2045.75", ""))


@file("T23_末行合计_不符.csv")
def _total_disagrees() -> bytes:
    return _rows(("合 计", "", "", '"2,100.00"', ""))


@file("T24_小计行.csv")
def _subtotals() -> bytes:
    rows = (
        HEADER,
        ROWS[0],
        ("P004", "段样丁", "冠山镇", "99.50", ""),
        ("小计", "", "", "1300.00", ""),
        ROWS[1],
        ("小计：", "", "", "800.00", ""),
        ("其中：养老金", "", "", "800.00", ""),
        ("总计", "", "", "2100.00", ""),
    )
    return lines(rows).encode("utf-8")


@file("T25_两万空行.csv")
def _many_blanks() -> bytes:
    return _rows() + b"\n" * 12_000 + b",,,,\n" * 8_500


@file("T26_零字节.csv")
def _nothing() -> bytes:
    return b""


@file("T27_仅表头.csv")
def _header_only() -> bytes:
    return lines([HEADER]).encode("utf-8")


@file("T28_仅空白.csv")
def _blanks_only() -> bytes:
    return ("\r\n \t\r\n,,,,\r\n" + "\u3000\r\n" * 3).encode("utf-8")


@file("T29_重复表头.csv")
def _header_again() -> bytes:
    return lines((*TABLE, HEADER, ("P004", "段样丁", "岔口乡", "7.00", ""))).encode("utf-8")


@file("T30_两兆字段.csv.gz")
def _huge_cell() -> bytes:
    row = ("P004", "段样丁", "岔口乡", "7.00", "甲" * 700_000)
    return gzipped(lines((*TABLE, row)).encode("utf-8"))


@file("T31_超长记录.csv.gz")
def _endless_record() -> bytes:
    return gzipped(lines(TABLE).encode("utf-8") + b"P004," + b"a" * (17 << 20) + b",,,\n")


@file("T32_未知列与缺列.csv")
def _other_columns() -> bytes:
    rows = (
        ("编号", "姓名", "血型", "金额"),
        ("P001", "安样甲", "A", "1200.50"),
        ("P002", "白样乙", "", "800.00"),
    )
    return lines(rows).encode("utf-8")


@file("T33_两列同名.csv")
def _column_twice() -> bytes:
    rows = (
        ("编号", "姓名", "金额", "金额", "备注"),
        ("P001", "安样甲", "1200.50", "1.00", ""),
        ("P002", "白样乙", "800.00", "2.00", ""),
    )
    return lines(rows).encode("utf-8")


@file("T34_缺主键列.csv")
def _key_missing() -> bytes:
    return lines([row[1:] for row in TABLE]).encode("utf-8")


@file("T35_图片改名.csv")
def _picture() -> bytes:
    return b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 4


@file("T36_公式注入.csv")
def _injection() -> bytes:
    """Cells that a spreadsheet would run; to a reader they are text."""
    return _rows(
        ("P004", "=1+1", "@SUM(1)", "-7.00", "+86 13800000000"),
        ("P005", "冯样戊", "娘子关镇", "8.00", '"=HYPERLINK(""x"",""y"")"'),
    )


@file("T38_表前单位行.csv")
def _unit_above() -> bytes:
    above = (("补贴发放表", "", "", "", ""), ("", "", "", "（单位：万元）", ""))
    data = (("P001", "安样甲", "冠山镇", "0.12005", ""), ("P002", "白样乙", "冶西镇", "0.08", ""))
    return lines((*above, HEADER, *data)).encode("gb18030")


@file("T39_两行表头.csv")
def _two_line_header() -> bytes:
    """Saved from a workbook, merges are gone: the group's title stands over its first column."""
    rows = (
        ("编号", "姓名", "收入", "", "备注"),
        ("", "", "工资", "补贴", ""),
        ("P001", "安样甲", "1000.00", "200.50", "低保"),
        ("P002", "白样乙", "900.00", "0.00", ""),
    )
    return lines(rows).encode("utf-8")


@file("T40_示例行.csv")
def _example_row() -> bytes:
    example = ("示例", "某某某", "示例镇", "100.00", "请删除本行")
    return lines((HEADER, example, *ROWS)).encode("utf-8")


@file("T41_首行声明分隔符.csv")
def _declared_delimiter() -> bytes:
    return ("sep=;\r\n" + lines(TABLE, delimiter=";", end="\r\n")).encode("utf-8")


@file("T42_表在空列之后.csv")
def _margin() -> bytes:
    """An empty column on the left and empty lines above: a sheet's margins, saved as text."""
    return lines([("", *[""] * 5), ("", *[""] * 5), *(("", *row) for row in TABLE)]).encode("utf-8")


@file("T43_全是数字.csv")
def _numbers() -> bytes:
    return b"1,2,3\n4,5,6\n7,8,9\n"


@file("T44_分号与小数逗号.csv")
def _decimal_commas() -> bytes:
    """Semicolons, because the comma is the decimal sign: more commas than semicolons in a row."""
    rows = (("编号", "金额", "税额"), ("P001", "1,50", "0,20"), ("P002", "2,50", "0,30"))
    return lines(rows, delimiter=";").encode("utf-8")


@file("T45_dbf改名.csv")
def _dbase() -> bytes:
    head = b"\x03\x7a\x01\x01\x01\x00\x00\x00\x41\x00\x05\x00" + bytes(20)
    return head + b"NO\0\0\0\0\0\0\0\0\0C" + bytes(4) + b"\x04" + bytes(15) + b"\r P001\x1a"


@file("T46_parquet改名.csv")
def _parquet() -> bytes:
    return b"PAR1" + bytes(40) + b"PAR1"


@file("T47_列名带空白.csv")
def _padded_titles() -> bytes:
    titles = ("编 号 ", "\u3000姓名", " 乡镇", "*金额", "备注\t")
    return lines((titles, *ROWS)).encode("utf-8")


@file("T48_未加引号的换行.csv")
def _bare_newline() -> bytes:
    return _rows(
        ("P004", "段样丁", "岔口乡", "7.00", "第一行\n第二行"), ("P005", "冯样戊", "", "8", "")
    )


@file("T49_单引号.csv")
def _apostrophes() -> bytes:
    """Cells as a script of SQL quotes them; to a reader apostrophes are text."""
    return lines((HEADER, *(tuple(f"'{cell}'" for cell in row) for row in ROWS))).encode("utf-8")
