"""Workbooks: what their sheets, headers, cells and packages get wrong."""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Callable

from tests.faulty.kit import HEADER, file, zipped
from tests.faulty.xlsx import MAIN, Cell, Fault, Formula, Serial, Sheet, xlsx

_TYPED: list[list[Cell]] = [
    [*HEADER],
    ["P001", "安样甲", "冠山镇", 1200.5, "低保金"],
    ["P002", "白样乙", "冶西镇", 800, "养老金补发"],
    ["P003", "程样丙", "锁簧镇", 45.25, "农机补贴"],
]
_RELATIONS = "xl/_rels/workbook.xml.rels"
_SECOND: list[list[Cell]] = [[*HEADER], ["P004", "段样丁", "岔口乡", 7, None]]


@file("W01_xlsx.xlsx")
def _plain() -> bytes:
    return xlsx(Sheet("补贴", _TYPED))


@file("W02_尺寸谎报.xlsx")
def _false_dimension() -> bytes:
    """It claims one cell; there are twenty."""
    return xlsx(Sheet("补贴", _TYPED, dimension="A1"))


@file("W03_自称一百七十亿格.xlsx")
def _claims_everything() -> bytes:
    return xlsx(Sheet("补贴", _TYPED, dimension="A1:XFD1048576"))


@file("W04_末格在最右下角.xlsx")
def _far_cell() -> bytes:
    """One blank text in the last cell that a sheet can have: 17 billion cells for the naive."""
    return xlsx(Sheet("补贴", _TYPED, at={"XFD1048576": " "}))


@file("W05_空行用区很大.xlsx")
def _wide_used_range() -> bytes:
    return xlsx(Sheet("补贴", _TYPED, dimension="A1:E30000", used=range(5, 2_001)))


@file("W06_两行表头.xlsx")
def _two_line_header() -> bytes:
    """The upper line is merged over its children: 收入_工资, 收入_补贴."""
    rows: list[list[Cell]] = [
        ["编号", "姓名", "收入", None, "支出", None, "备注"],
        [None, None, "工资", "补贴", "药费", "电费", None],
        ["P001", "安样甲", 1000, 200.5, 30, 41.2, "低保"],
        ["P002", "白样乙", 900, 0, 12, 38, None],
    ]
    merges = ("A1:A2", "B1:B2", "C1:D1", "E1:F1", "G1:G2")
    return xlsx(Sheet("收支", rows, merges=merges))


@file("W07_合并表头与标题.xlsx")
def _merged_title() -> bytes:
    """A title over all columns, a line with the unit, then a header of two lines."""
    rows: list[list[Cell]] = [
        ["平定县补贴发放表"],
        ["填报单位：民政局", None, None, None, "单位：元"],
        ["编号", "姓名", "金额", None, "备注"],
        [None, None, "应发", "实发", None],
        ["P001", "安样甲", 1200.5, 1200.5, None],
        ["P002", "白样乙", 800, 750, "扣借款"],
        ["合计", None, 2000.5, 1950.5, None],
    ]
    merges = ("A1:E1", "A3:A4", "B3:B4", "C3:D3", "E3:E4", "A7:B7")
    return xlsx(Sheet("发放", rows, merges=merges))


@file("W08_纵向合并.xlsx")
def _vertical_merge() -> bytes:
    """The town stands once for its people; the last town is empty and not merged: stays empty."""
    rows: list[list[Cell]] = [
        [*HEADER],
        ["P001", "安样甲", "冠山镇", 1200.5, None],
        ["P002", "白样乙", None, 800, None],
        ["P003", "程样丙", None, 45.25, "空备注不补"],
        ["P004", "段样丁", "岔口乡", 7, None],
        ["P005", "冯样戊", None, 8, None],
    ]
    return xlsx(Sheet("补贴", rows, merges=("C2:C4",)))


@file("W09_示例表.xlsx")
def _example_sheet() -> bytes:
    example: list[list[Cell]] = [[*HEADER], ["P000", "某某某", "示例镇", 100, "样例，请勿删除"]]
    notes: list[list[Cell]] = [
        ["填表说明"],
        ["一、编号由县局统一编制。"],
        ["二、金额保留两位小数。"],
    ]
    return xlsx(Sheet("补贴", _TYPED), Sheet("填写示例", example), Sheet("填表说明", notes))


@file("W10_一镇一表.xlsx")
def _sheet_per_town() -> bytes:
    third: list[list[Cell]] = [
        ["石门口乡补贴表"],
        [*HEADER],
        ["P005", "冯样戊", "石门口乡", 8, None],
        ["合计", None, None, 8, None],
    ]
    return xlsx(Sheet("冠山镇", _TYPED), Sheet("岔口乡", _SECOND), Sheet("石门口乡", third))


@file("W11_隐藏表.xlsx")
def _hidden_sheets() -> bytes:
    third: list[list[Cell]] = [[*HEADER], ["P005", "冯样戊", "石门口乡", 8, None]]
    return xlsx(
        Sheet("补贴", _TYPED),
        Sheet("补充", _SECOND, state="hidden"),
        Sheet("留底", third, state="veryHidden"),
    )


@file("W12_隐藏行列.xlsx")
def _hidden_rows() -> bytes:
    rows: list[list[Cell]] = [*_TYPED, ["P004", "段样丁", "岔口乡", 7, "筛选后隐藏"]]
    return xlsx(Sheet("补贴", rows, hidden_rows=frozenset({3, 5}), hidden_columns=(4,)))


@file("W13_文本与日期混列.xlsx")
def _mixed_dates() -> bytes:
    """One column: a real day, a text, a day without its format, a day with a time."""
    rows: list[list[Cell]] = [
        ["编号", "姓名", "日期"],
        ["P001", "安样甲", Serial(45077)],
        ["P002", "白样乙", "2023年5月31日"],
        ["P003", "程样丙", 45077],
        ["P004", "段样丁", Serial(45077.5, with_time=True)],
        ["P005", "冯样戊", "45077"],
    ]
    return xlsx(Sheet("日期", rows))


@file("W14_1904纪元.xlsx")
def _epoch_1904() -> bytes:
    """45077 of the 1900 epoch is 43615 of the 1904 epoch: the same day, 2023-05-31."""
    rows: list[list[Cell]] = [
        ["编号", "姓名", "日期"],
        ["P001", "安样甲", Serial(43615)],
        ["P002", "白样乙", "2023-05-31"],
    ]
    return xlsx(Sheet("日期", rows), epoch_1904=True)


@file("W15_数字存为文本.xlsx")
def _numbers_as_text() -> bytes:
    rows: list[list[Cell]] = [
        [*HEADER],
        ["P001", "安样甲", "冠山镇", "1200.50", "007"],
        [10002, "白样乙", "冶西镇", 800.0, 7],
        ["010003", "程样丙", "锁簧镇", 0.1, 1e21],
        [True, "段样丁", "岔口乡", 1234567890.12, 0.30000000000000004],
    ]
    return xlsx(Sheet("补贴", rows))


@file("W16_证件号成浮点.xlsx")
def _float_ids() -> bytes:
    """Eighteen digits in a binary number: the last ones are gone, whatever the sheet shows."""
    rows: list[list[Cell]] = [
        ["人员编号", "姓名", "公民身份号码", "性别", "出生日期", "联系电话", "民族"],
        ["R001", "安样甲", 140321199003071000.0, 1, Serial(32939), 13800138000.0, 1],
        ["R002", "白样乙", "140321198511154526", 2, Serial(31366), "13900139000", "01"],
        ["R003", "冯样戊", 140321620630888.0, 2, "1962-06-30", None, "01"],
    ]
    return xlsx(Sheet("证件", rows))


@file("W17_公式无缓存值.xlsx")
def _formula_without_value() -> bytes:
    rows: list[list[Cell]] = [
        [*HEADER],
        ["P001", "安样甲", "冠山镇", Formula("600.25*2", 1200.5), "有缓存"],
        ["P002", "白样乙", "冶西镇", Formula("400*2"), "无缓存"],
        ["P003", Formula('"程样"&"丙"', "程样丙"), "锁簧镇", 45.25, None],
    ]
    return xlsx(Sheet("补贴", rows))


@file("W18_错误单元格.xlsx")
def _error_cells() -> bytes:
    rows: list[list[Cell]] = [
        [*HEADER],
        ["P001", "安样甲", Fault("#N/A"), 1200.5, None],
        ["P002", "白样乙", "冶西镇", Fault("#REF!"), None],
        ["P003", "程样丙", "锁簧镇", Fault("#DIV/0!"), Fault("#VALUE!")],
    ]
    return xlsx(Sheet("补贴", rows))


@file("W19_表头带单位.xlsx")
def _unit_in_header() -> bytes:
    rows: list[list[Cell]] = [
        ["编号", "姓名", "乡镇", "金额（万元）", "备注"],
        ["P001", "安样甲", "冠山镇", 0.12005, None],
        ["P002", "白样乙", "冶西镇", 0.08, None],
    ]
    return xlsx(Sheet("补贴", rows))


@file("W20_表前带单位.xlsx")
def _unit_above() -> bytes:
    rows: list[list[Cell]] = [
        ["补贴发放表"],
        [None, None, None, None, "单位：万元"],
        [*HEADER],
        ["P001", "安样甲", "冠山镇", 0.12005, None],
        ["P002", "白样乙", "冶西镇", 0.08, None],
        ["合计", None, None, 0.20005, None],
    ]
    return xlsx(Sheet("补贴", rows))


@file("W21_各表单位不一.xlsx")
def _units_disagree() -> bytes:
    first: list[list[Cell]] = [["编号", "姓名", "乡镇", "金额（万元）", "备注"], [*_TYPED[1]]]
    second: list[list[Cell]] = [["编号", "姓名", "乡镇", "金额（元）", "备注"], [*_SECOND[1]]]
    return xlsx(Sheet("冠山镇", first), Sheet("岔口乡", second))


@file("W24_残缺.xlsx")
def _cut_off() -> bytes:
    whole = xlsx(Sheet("补贴", _TYPED))
    return whole[: len(whole) // 2]


@file("W25_外部实体.xlsx")
def _external_entities() -> bytes:
    """The sheet asks its reader to fetch a file and to multiply a text."""
    bomb = (
        '<!DOCTYPE worksheet [<!ENTITY a SYSTEM "file:///etc/hostname">'
        '<!ENTITY b "bbbbbbbbbb"><!ENTITY c "&b;&b;&b;&b;&b;&b;&b;&b;">]>'
    )
    return _with_sheet(
        lambda xml: xml.replace("<worksheet", f"{bomb}<worksheet", 1).replace("低保金", "&a;&c;")
    )


@file("W26_表格xml残缺.xlsx")
def _broken_sheet() -> bytes:
    return _with_sheet(lambda xml: xml[: xml.index("程样丙")])


@file("W27_深层嵌套.xlsx")
def _deep_xml() -> bytes:
    deep = "<ext>" * 5_000 + "</ext>" * 5_000
    return _with_sheet(lambda xml: xml.replace("</worksheet>", f"{deep}</worksheet>"))


@file("W28_没有数据表.xlsx")
def _empty_sheet() -> bytes:
    return xlsx(Sheet("Sheet1", []))


@file("W29_仅表头.xlsx")
def _header_only() -> bytes:
    return xlsx(Sheet("补贴", [[*HEADER]]))


@file("W30_合计与空行.xlsx")
def _totals() -> bytes:
    rows: list[list[Cell]] = [
        *_TYPED,
        [],
        ["合计", None, None, Formula("SUM(D2:D4)", 2045.75), None],
        ["制表人：程样丙", None, "审核人：白样乙", None, None],
    ]
    return xlsx(Sheet("补贴", rows))


@file("W31_右侧远处合计块.xlsx")
def _far_totals() -> bytes:
    return xlsx(Sheet("补贴", _TYPED, at={"K2": "合计", "L2": 2045.75, "K3": "人数", "L3": 3}))


@file("W32_超出表头的值.xlsx")
def _beyond_header() -> bytes:
    rows: list[list[Cell]] = [*_TYPED, ["P004", "段样丁", "岔口乡", 7, None, "无标题的值"]]
    return xlsx(Sheet("补贴", rows))


@file("W33_富文本.xlsx")
def _rich_text() -> bytes:
    """Shared strings of several runs, and one with the reading of its characters beside it."""
    items = (
        *(f"<si><t>{cell}</t></si>" for cell in HEADER),
        "<si><t>P001</t></si>",
        "<si><r><t>安</t></r><r><rPr><b/></rPr><t>样甲</t></r></si>",
        '<si><t>冠山镇</t><rPh sb="0" eb="3"><t>guanshan</t></rPh></si>',
        '<si><t xml:space="preserve"> 低保金 </t></si>',
    )
    body = (
        '<row r="1">' + "".join(f'<c r="{"ABCDE"[n]}1" t="s"><v>{n}</v></c>' for n in range(5))
        + '</row><row r="2"><c r="A2" t="s"><v>5</v></c><c r="B2" t="s"><v>6</v></c>'
        '<c r="C2" t="s"><v>7</v></c><c r="D2"><v>1200.5</v></c><c r="E2" t="s"><v>8</v></c></row>'
    )  # fmt: skip
    strings = f'<sst xmlns="{MAIN}" count="9" uniqueCount="9">{"".join(items)}</sst>'
    return _with_sheet(
        lambda xml: re.sub(r"<sheetData>.*</sheetData>", f"<sheetData>{body}</sheetData>", xml),
        strings=strings,
    )


@file("W34_单元格无坐标.xlsx")
def _no_references() -> bytes:
    """Rows and cells without their places, as small writers leave them: they follow each other."""
    return _with_sheet(lambda xml: re.sub(r' r="[A-Z]*[0-9]+"', "", xml))


@file("W35_中文日期格式.xlsx")
def _chinese_days() -> bytes:
    """Formats 31 and 57 are days of Chinese systems; nothing in the file says so."""
    rows: list[list[Cell]] = [
        ["编号", "姓名", "日期"],
        ["P001", "安样甲", Serial(45077, style=4)],
        ["P002", "白样乙", Serial(45077, style=5)],
        ["P003", "程样丙", Serial(45077, style=6)],
    ]
    return xlsx(Sheet("日期", rows))


@file("W36_百分比格式.xlsx")
def _percent_format() -> bytes:
    """0.9566 shown as 95.66%: what is stored is read."""
    rows: list[list[Cell]] = [
        ["编号", "姓名", "占比"],
        ["P001", "安样甲", Serial(0.9566, style=7)],
        ["P002", "白样乙", "95.66%"],
    ]
    return xlsx(Sheet("占比", rows))


@file("W37_表从C5开始.xlsx")
def _margins() -> bytes:
    """Empty rows above and empty columns on the left are no part of the table."""
    rows: list[list[Cell]] = [[], [], [], [], *([None, None, *row] for row in _TYPED)]
    return xlsx(Sheet("补贴", rows))


@file("W38_时间与时长.xlsx")
def _clocks() -> bytes:
    rows: list[list[Cell]] = [
        ["编号", "姓名", "时间"],
        ["P001", "安样甲", Serial(45077 + 33300 / 86400, with_time=True)],
        ["P002", "白样乙", Serial(45077, with_time=True)],
        ["P003", "程样丙", Serial(59)],
        ["P004", "段样丁", Serial(60)],
    ]
    return xlsx(Sheet("时间", rows))


@file("W39_列号越界.xlsx")
def _column_beyond() -> bytes:
    return _with_sheet(lambda xml: xml.replace('r="E4"', 'r="ZZZZ4"'))


def _with_sheet(change: Callable[[str], str], *, strings: str = "") -> bytes:
    """The plain workbook with its sheet's XML changed, and with shared strings if there are any."""
    with zipfile.ZipFile(io.BytesIO(xlsx(Sheet("补贴", _TYPED)))) as archive:
        members = [(name, archive.read(name)) for name in archive.namelist()]
    target = "xl/worksheets/sheet1.xml"
    made = [
        (name, change(data.decode()).encode() if name == target else data) for name, data in members
    ]
    if strings:
        made.append(("xl/sharedStrings.xml", strings.encode()))
        made = [
            (name, _with_strings(data) if "_rels/workbook" in name else data) for name, data in made
        ]
    return zipped(list(dict(made).items()))


def _with_strings(relations: bytes) -> bytes:
    """The workbook's relations with one more, to its shared strings."""
    kind = "http://schemas.openxmlformats.org/officeDocument/2006/relationships/sharedStrings"
    one = f'<Relationship Id="rId9" Type="{kind}" Target="sharedStrings.xml"/></Relationships>'
    return relations.replace(b"</Relationships>", one.encode())
