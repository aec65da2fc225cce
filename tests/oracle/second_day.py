"""What the departments bring on the second day, made from their first files by plain copying.

Corrections, late and older versions, new records, gone ones, dirt, a snapshot that lacks half of
its records and a file that is no table. What becomes of each row is for the oracle and the county
to find out, each on its own.
"""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any

from openpyxl import Workbook, load_workbook

Lines = list[dict[str, Any]]
Change = Callable[[Lines], Lines]
NEWER, OLDER = "2023-06-01 08:00:00", "2019-01-01 00:00:00"
FEW, SOME, MANY = 5, 30, 60
NO_TABLE = b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 4


def _rows(path: Path) -> tuple[list[Any], Lines, list[list[Any]]]:
    """Titles, data rows by title, and the rows above the titles."""
    if path.suffix == ".csv":
        data = path.read_bytes()
        try:
            text = data.decode("utf-8-sig")
        except UnicodeDecodeError:
            text = data.decode("gb18030")
        head, *rest = csv.reader(io.StringIO(text, newline=""))
        return (
            head,
            [dict(zip(head, row, strict=False)) for row in rest if len(row) == len(head)],
            [],
        )
    sheet = load_workbook(path).worksheets[0]
    lines: list[list[Any]] = [list(row) for row in sheet.iter_rows(values_only=True)]
    titles = lines[2]
    body = [dict(zip(map(str, titles), row, strict=True)) for row in lines[3:]]
    return titles, body, lines[:2]


def _good(lines: Lines) -> Lines:
    """Rows that are data: blank ones, totals, notes and repeated titles left out."""
    head = list(lines[0])
    return [
        line
        for line in lines
        if line[head[0]] not in {"合计", head[0]}
        and sum(cell not in {None, ""} for cell in line.values()) > 2
    ]


def _write(path: Path, head: list[str], lines: Lines, above: list[list[Any]]) -> None:
    if path.suffix == ".csv":
        with path.open("w", encoding="gb18030", newline="") as stream:
            writer = csv.writer(stream, lineterminator="\r\n")
            writer.writerow(head)
            writer.writerows([line.get(title, "") for title in head] for line in lines)
    else:
        book = Workbook()
        sheet = book.worksheets[0]
        for row in [*above, head, *([line.get(title) for title in head] for line in lines)]:
            sheet.append(row)
        book.save(path)
    aged(path)


def aged(path: Path) -> None:
    """A file that was written a minute ago is complete."""
    past = path.stat().st_mtime_ns - 60_000_000_000
    os.utime(path, ns=(past, past))


def people(lines: Lines) -> Lines:
    """Deaths, moves, older versions, copies, newborns and dirt."""
    good = _good(lines)
    made: Lines = []
    for number, line in enumerate(good[100 : 100 + 2 * MANY]):
        other = good[900 + 7 * number]
        place = {title: other[title] for title in ("村居编码", "网格编码")}
        changes: list[dict[str, Any]] = [
            {"是否常住": "0" if line["是否常住"] == "1" else "1"},
            {**place, "现住地址编码": "", "房屋编码": ""},
            {"人员状态": "3", "死亡日期": "2023-05-30", "是否常住": "0"},
            {"性别": "男性" if line["性别"] == "1" else "女性"},
        ]
        made.append({**line, **changes[number % 4], "更新时间": NEWER, "采集时间": ""})
    made += [{**line, "联系电话": "", "更新时间": OLDER, "采集时间": ""} for line in good[300:310]]
    made += good[400 : 400 + FEW]
    for number, line in enumerate(good[500 : 500 + SOME]):
        baby = {"人员编号": f"NEW{number:06d}", "出生日期": "2023年5月20日", "更新时间": NEWER}
        nothing = dict.fromkeys(
            ("身份证号码", "婚姻状况", "学历", "职业", "联系电话", "采集时间"), ""
        )
        made.append({**line, **nothing, **baby, "人员状态": "1", "死亡日期": "", "是否常住": "是"})
    made += [{**line, "性别": "甲", "更新时间": NEWER} for line in good[600:603]]
    made.append({**made[0], "人员编号": ""})
    return made


def homes(lines: Lines) -> Lines:
    """Houses let, vacated and measured anew, some in full-width digits."""
    good = _good(lines)
    for number, line in enumerate(good[50 : 50 + MANY]):
        let = {"出租状态": str(number % 3), "是否办理租赁备案": ""}
        sized = {"建筑面积（㎡）": "１２０．５０" if number % 4 else "88.25平方米"}
        line.update(**(let if number % 2 else sized), 更新时间=NEWER)
    return good[2:]


def orders(lines: Lines) -> Lines:
    """New orders of May and June, without a village, void, excluded; and answers to old ones."""
    good = _good(lines)
    made: Lines = []
    for number, line in enumerate(good[: MANY + FEW]):
        new = {"工单编号": f"R20230601{number:08d}", "更新时间": NEWER}
        if number % 2 == 0:
            new |= {
                title: str(cell).replace("2022-", "2023-")
                for title, cell in line.items()
                if title.endswith(("时间", "时限", "延期至")) and title not in new and cell
            }
        if number % 3 == 0:
            new |= {"村居编码": None, "网格编码": None}  # type: ignore[dict-item]
        if number % 7 == 0:
            new |= {"工单状态": "作废", "办结时间": None}  # type: ignore[dict-item]
        made.append({**line, **new})
    visited = [line for line in good if line["满意度"] in {"1", "2"}]
    made += [{**line, "满意度": "5", "更新时间": NEWER} for line in visited[:SOME]]
    return made


def payments(lines: Lines) -> Lines:
    """Payments changed to cash, taken back, in words of money."""
    made = []
    for number, line in enumerate(_good(lines)[20 : 20 + MANY]):
        money = line["支付金额(元)"]
        changes: list[dict[str, Any]] = [
            {"支付方式": "4"},
            {"支付状态": "90"},
            {"支付金额(元)": f"￥{money}"},
            {"支付金额(元)": "1.25万元"},
        ]
        made.append({**line, **changes[number % 4], "更新时间": NEWER})
    return made


def organisations(lines: Lines) -> Lines:
    """The register once more, two organisations gone, some books separated, some not."""
    made = []
    for number, line in enumerate(_good(lines)[2:]):
        more = {"账务是否分设": "否" if line["账务是否分设"] in {"1", "是"} else "是"}
        made.append({**line, **(more if number % 40 == 0 else {})})
    return made


def contracts(lines: Lines) -> Lines:
    """The ledger of contracts, three fewer, some ended."""
    made = []
    for number, line in enumerate(_good(lines)[3:]):
        made.append({**line, **({"合同状态": "2"} if number % 25 == 0 else {})})
    return made


def half(lines: Lines) -> Lines:
    """A snapshot that lacks most of its records."""
    return _good(lines)[::2]


FIRST, SECOND = "20230531", "20230601"
MORE: tuple[tuple[str, str, str, Change | None], ...] = (
    ("population", "公安局/实有人口_{}.csv", "merged", people),
    ("house", "住房和城乡建设局/实有房屋_{}.csv", "merged", homes),
    ("hotline_order", "12345热线中心/热线工单_{}.xlsx", "merged", orders),
    ("payment", "农业农村局/三资支付_{}.xlsx", "merged", payments),
    ("collective_org", "农业农村局/集体经济组织_{}.xlsx", "merged", organisations),
    ("contract", "农业农村局/合同台账_{}.xlsx", "merged", contracts),
    ("asset", "农业农村局/资产台账_{}.xlsx", "held", half),
    ("component", "城市管理局/城市部件_{}.csv", "refused", None),
)
"""Feed, file of a day, what has to become of it, and how it is made of the first day's."""


def deliver(inbox: Path, feeds: Collection[str] = ()) -> list[tuple[str, str, str]]:
    """Put the second day's files into the inbox: feed, file and what has to become of it."""
    told = []
    for feed, pattern, fate, change in MORE:
        if feeds and feed not in feeds:
            continue
        target = pattern.format(SECOND)
        if feed == "hotline_order":
            target = target.replace(".xlsx", ".csv")
        if change is None:
            (inbox / target).write_bytes(NO_TABLE)
            aged(inbox / target)
        else:
            head, lines, above = _rows(inbox / pattern.format(FIRST))
            _write(inbox / target, head, change(lines), above)
        told.append((feed, target, fate))
    return told
