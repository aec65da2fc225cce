"""The catalogue as files for others: CSV with Chinese headers, JSON, and ``catalogue_dcat``.

The same lake gives the same bytes: no clock, one order. Only metadata are written, never a cell.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from datetime import datetime
from typing import Final, Literal

from dagster_project.clock import SHANGHAI
from dagster_project.components.steps.catalogue.dcat import dcat
from dagster_project.components.steps.catalogue.entries import Catalogue, Entry, Item, facts
from dagster_project.ingest.returning.defuse import defused

Format = Literal["csv", "json", "dcat"]
BOM: Final = "\ufeff"
"""Without it Excel takes a CSV file for GBK and shows Chinese as 涓枃."""

_COLUMNS: Final[dict[str, Callable[[Catalogue, Entry], str]]] = {
    "信息资源分类": lambda all_, one: all_.said("resource_class", one.words.code[:1]),
    "信息资源代码": lambda _, one: one.words.code,
    "信息资源名称": lambda _, one: one.title,
    "信息资源提供方": lambda _, one: one.provider,
    "信息资源提供方代码": lambda _, one: one.words.provider_code,
    "信息资源摘要": lambda _, one: one.summary,
    "信息资源格式": lambda _, one: "、".join(one.formats),
    "信息项": lambda _, one: "；".join(map(item_text, one.items)),
    "信息项数": lambda _, one: str(len(one.items)),
    "共享类型": lambda all_, one: all_.said("share_type", one.words.share_type),
    "共享条件": lambda _, one: one.words.share_condition,
    "共享方式": lambda all_, one: all_.said("share_mode", one.words.share_mode),
    "不予共享依据": lambda _, one: one.words.legal_basis,
    "开放属性": lambda all_, one: all_.said("open_type", one.words.open_type),
    "开放条件": lambda _, one: one.words.open_condition,
    "更新周期": lambda _, one: one.words.update_cycle,
    "发布日期": lambda _, one: one.words.published,
    "关联资源代码": lambda _, one: "、".join(one.words.related),
    "安全级别": lambda _, one: one.level,
    "是否应归集": lambda _, one: _yes(one.words.required),
    "是否已挂接": lambda _, one: _yes(one.is_mounted),
    "同步通道": lambda _, one: one.channels,
    "最近更新时间": lambda _, one: _local(one.last_update_at),
    "数据量": lambda _, one: str(one.rows),
    "数据契约版本": lambda _, one: one.version,
    "表": lambda _, one: one.table,
}


def render(found: Catalogue, form: Format) -> bytes:
    """The whole catalogue in one of the forms."""
    text = {"csv": _csv, "json": _json, "dcat": _dcat}[form](found)
    return text.encode("utf-8")


def cells(found: Catalogue, entry: Entry) -> dict[str, str]:
    """An entry in the words of the core metadata: header -> text."""
    return {head: cell(found, entry) for head, cell in _COLUMNS.items()}


def item_text(item: Item) -> str:
    """``公民身份号码（字符型C，18）``."""
    length = f"，{item.length}" if item.length else ""
    return f"{item.title}（{item.type}{length}）"


def _csv(found: Catalogue) -> str:
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\r\n")
    writer.writerow(_COLUMNS)
    for entry in found.entries:
        writer.writerow(defused(cell) for cell in cells(found, entry).values())
    return BOM + out.getvalue()


def _json(found: Catalogue) -> str:
    told = {
        "site": {"code": found.site_code, "name": found.site_name},
        "entries": [facts(found, entry) for entry in found.entries],
    }
    return _dumped(told)


def _dcat(found: Catalogue) -> str:
    return _dumped(dcat(found))


def _dumped(told: object) -> str:
    return json.dumps(told, ensure_ascii=False, indent=2, default=_plain) + "\n"


def _plain(value: object) -> str:
    return value.isoformat() if isinstance(value, datetime) else str(value)


def _yes(value: bool) -> str:  # noqa: FBT001 - the value that is shown
    return "是" if value else "否"


def _local(instant: datetime | None) -> str:
    return instant.astimezone(SHANGHAI).strftime("%Y-%m-%d %H:%M:%S") if instant else ""
