"""The data dictionary's content: what every feed is, gathered from contracts and lineage.

How a page looks is ``quality.dictionary_pages``' matter; nothing here opens a lake.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from dagster_project.components.steps.describing.rule_sections import gate_text, rule_sections
from dagster_project.contracts import cell_rules, feed_order, load
from dagster_project.contracts.model import Column, Contracts, Feed, Server
from dagster_project.errors import UsageError
from dagster_project.lineage import describe
from dagster_project.lineage.columns import ModelLineage
from dagster_project.lineage.impact import downstream
from dagster_project.paths import schemas_dir, sql_dir
from dagster_project.quality.dictionary_pages import Page, Section, code, link, tag
from dagster_project.transform.conform import Plan, compile_feed
from dagster_project.transform.models import load_models

TYPES = {
    "string": "文本 string", "integer": "整数 integer", "decimal": "数值 decimal",
    "date": "日期 date", "timestamp": "时间 timestamp", "boolean": "是否 boolean",
}  # fmt: skip
FORMATS = {
    "resident_id": "公民身份号码 GB 11643", "uscc": "统一社会信用代码 GB 32100",
    "phone": "电话号码", "person_name": "姓名",
}  # fmt: skip
LEVELS = {
    "L1": "公开 public",
    "L2": "内部 internal",
    "L3": "敏感 personal",
    "L4": "高敏 highly sensitive",
}
UNITS = {"d": "日 day", "w": "周 week", "m": "月 month", "q": "季 quarter", "y": "年 year"}
SHARING = {"1": "无条件共享", "2": "有条件共享", "3": "不予共享"}
COMMON = frozenset(
    (
        *("trim", "mojibake", "full_width", "compatibility"),
        *("null_none", "null_unknown", "null_error", "null_mark"),
    )
)
"""Repairs that every column has: blanks, widths, spellings of no value."""
COLUMN_HEAD = (
    *("名称 name", "标题 title", "类型 type", "取值 values", "级别 level"),
    "处理与规则 repairs and rules",
)
LIST_HEAD = ("代码表 list", "名称 name", "条 entries", "来源 source")
ENTRIES = 40
"""So many entries of a code list stand on a page."""
EXAMPLES = 12
"""As many columns of the header are shown as an example."""


@dataclass(frozen=True)
class Handbook:
    """Contracts, and what is made of them."""

    contracts: Contracts

    @classmethod
    def open(cls) -> Handbook:
        """The dictionary of the site's contracts."""
        return cls(load(schemas_dir()))

    def pages(self, names: Sequence[str] = ()) -> list[Page]:
        """The index and the pages of some feeds, or of all.

        Raises:
            UsageError: There is no such feed.
        """
        for name in names:
            if name not in self.contracts.feeds:
                raise UsageError(f"there is no feed {name}", todo="See `countylake feeds`")
        chosen = names or feed_order(self.contracts)
        feeds = [self.contracts.feeds[name] for name in chosen]
        return [self.index(feeds), *(self.page(feed) for feed in feeds)]

    def index(self, feeds: Sequence[Feed]) -> Page:
        """One line per feed, and the code lists that they use."""
        rows = tuple(
            (
                link(f"{feed.name}.html", feed.title),
                code(feed.name),
                feed.department_name,
                _delivery(feed),
                str(len(feed.columns)),
                tag(_level(feed)),
                feed.catalogue.get("code", "—"),
            )
            for feed in feeds
        )
        head = ("数据集 feed", "名称 name", "部门 department", "交付 delivery", "列 columns",
                "级别 level", "目录 catalogue")  # fmt: skip
        count = sum(len(feed.columns) for feed in feeds)
        text = f"{len(feeds)} 个数据集，{count} 个数据项。由数据契约生成。"
        lists = tuple(
            (
                one.title or name,
                code(name),
                str(len(one.entries)),
                one.source.partition("confidence:")[0],
            )
            for name, one in sorted(self.contracts.codes.items())
            if any(c.codes == name for f in feeds for c in f.columns)
        )
        return Page(
            "index",
            "数据字典",
            "data dictionary",
            (
                Section("数据集", "feeds", head, rows, text=text),
                Section(
                    "代码表",
                    "code lists",
                    LIST_HEAD,
                    lists,
                ),
            ),
        )

    def page(self, feed: Feed) -> Page:
        """Everything that a feed's contract says, and what depends on it."""
        return Page(feed.name, feed.title, feed.name, tuple(self._sections(feed)))

    def _sections(self, feed: Feed) -> Iterator[Section]:
        yield Section("概况", "overview", facts=_facts(feed))
        yield Section(
            "数据项", "columns",
            COLUMN_HEAD,
            tuple(self._column(feed, column) for column in feed.columns),
        )  # fmt: skip
        yield from rule_sections(feed)
        yield _example(feed)
        lists = dict.fromkeys(column.codes for column in feed.columns if column.codes)
        entries = tuple((self._list_name(name), self._entries(name)) for name in lists)
        if entries:
            yield Section("代码表", "code lists", ("代码表 list", "代码 codes"), entries)
        used = tuple(self._used(feed))
        if used:
            yield Section("使用情况", "used by", ("表 table", "列 columns"), used)
        else:
            nothing = "没有指标或上报表使用它。 No mart or report uses it."
            yield Section("使用情况", "used by", text=nothing)

    def _column(self, feed: Feed, column: Column) -> tuple[str, ...]:
        marks = [tag("主键 key")] * column.is_key
        marks += [tag("必填 required")] * (column.required and not column.is_key)
        aliases = f"别名 {'、'.join(column.aliases)}" if column.aliases else ""
        title = "\n".join(filter(None, (column.title, aliases, column.description)))
        level = tag(f"{column.level} {LEVELS[column.level]}")
        level += f"\n脱敏 mask: {column.mask}" if column.mask != "none" else ""
        return (
            code(column.name) + ("\n" + "".join(marks) if marks else ""),
            title,
            TYPES[column.type]
            + (f"({column.precision},{column.scale})" if column.type == "decimal" else ""),
            "\n".join(self._values(column)),
            level,
            self._rules(feed, column),
        )

    def _values(self, column: Column) -> Iterator[str]:
        """What a column may hold, in words."""
        listed = f"代码表 {self._list_name(column.codes)}" if column.codes else ""
        bounds = f"{column.minimum or '…'} ～ {column.maximum or '…'}"
        shares = {"percent": "百分数 95.66", "ratio": "比例 0.9566"}
        said = (
            listed,
            FORMATS.get(column.format, column.format),
            f"格式 {code(column.pattern)}" if column.pattern else "",
            f"至多 {column.max_length} 字" if column.max_length else "",
            bounds if column.minimum or column.maximum else "",
            f"单位 {column.unit}" if column.unit else "",
            shares.get(column.share, ""),
            f"补零至 {column.pad} 位" if column.pad else "",
            "可为长期" if column.open_end else "",
            "可只到月" if column.partial else "",
            f"空值写法 {'、'.join(column.nulls)}" if column.nulls else "",
        )
        yield from filter(None, said)
        if column.reference:
            parent = f"{column.reference.feed}.{column.reference.column}"
            yield f"引用 {link(column.reference.feed + '.html', parent)}"

    def _rules(self, feed: Feed, column: Column) -> str:
        """Rules by their ids with their sentences, and repairs by theirs."""
        sentences = {rule.id: rule.message for rule in self._plans[feed.name].rules}
        lines = [
            f"{code(rule.id.partition('.')[2])} {sentences.get(rule.id, '')}"
            for rule in cell_rules(column)
        ]
        repairs = dict.fromkeys(
            repair.id for repair in self._plans[feed.name].repairs if repair.column == column.name
        )
        shown = [one for one in repairs if one not in COMMON]
        return "\n".join([*lines, "修复 " + "、".join(shown)] if shown else lines)

    def _list_name(self, name: str) -> str:
        listed = self.contracts.codes.get(name)
        return f"{listed.title}（{name}）" if listed and listed.title else name

    def _entries(self, name: str) -> str:
        listed = self.contracts.codes.get(name)
        shown = [f"{one.code} {one.title}" for one in listed.entries[:ENTRIES]] if listed else []
        more = len(listed.entries) - ENTRIES if listed else 0
        return "　".join(shown) + (
            f"　……（共 {len(listed.entries)} 条）" if listed and more > 0 else ""
        )

    def _used(self, feed: Feed) -> Iterator[tuple[str, str]]:
        """Tables of gold, report and city that are made from the feed, with their columns."""
        names = [column.name for column in feed.columns]
        tables: dict[str, dict[str, None]] = {}
        for one in downstream(self._lineages, f"silver.{feed.name}", names):
            tables.setdefault(one.table, {})[one.column] = None
        for table, columns in tables.items():
            layer, _, name = table.partition(".")
            described = next((t for (la, n), t in self.contracts.tables.items()
                              if (la, n) == (layer, name)), None)  # fmt: skip
            yield f"{code(table)}\n{described.title if described else ''}", "、".join(columns)

    @cached_property
    def _plans(self) -> Mapping[str, Plan]:
        feeds = self.contracts.feeds
        return {name: compile_feed(feed, self.contracts) for name, feed in feeds.items()}

    @cached_property
    def _lineages(self) -> Mapping[str, ModelLineage]:
        models = load_models(sql_dir(), self.contracts).models
        return describe.lineages(tuple(models.values()), self.contracts)


def keep(pages: Mapping[str, str], folder: Path) -> None:
    """Write the pages.

    Raises:
        UsageError: The folder cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in pages.items():
            (folder / name).write_text(text, encoding="utf-8")
    except OSError as error:
        raise UsageError(
            f"the pages cannot be written ({error.strerror})",
            where=str(folder),
            todo="Name another",
        ) from error


def _delivery(feed: Feed) -> str:
    return "全量 full" if feed.delivery == "full" else "增量 incremental"


def _level(feed: Feed) -> str:
    """The level of the whole table: that of its most personal column."""
    return max(column.level for column in feed.columns)


def _facts(feed: Feed) -> dict[str, str]:
    """What is to be said of the feed as a whole."""
    catalogue = feed.catalogue
    level = _level(feed)
    facts = {
        "说明 purpose": feed.description,
        "部门 department": f"{feed.department_name} {code(feed.department_code)}",
        "版本 version": f"{feed.version} {code(feed.path)}",
        "交付 delivery": _delivery(feed),
        "通道 channels": "\n".join(_channel(server) for server in feed.servers),
        "时限 schedule": _schedule(feed),
        "搁置条件 held when": gate_text(feed),
        "更新次序 order": code(feed.order_by),
        "接受 accepts": f"{'、'.join(feed.formats)}；{'、'.join(feed.encodings)}",
        "主键 key": " ".join(code(name) for name in feed.key),
        "级别 level": tag(f"{level} {LEVELS[level]}"),
        "坐标 coordinates": f"{feed.coordinates.system}，范围 {'、'.join(feed.coordinates.within)}"
        if feed.coordinates
        else "",
        "目录 catalogue": " ".join(
            filter(
                None,
                (
                    catalogue.get("code", ""),
                    SHARING.get(catalogue.get("shareType", ""), ""),
                    catalogue.get("updateCycle", ""),
                ),
            )
        ),
    }
    return {word: value for word, value in facts.items() if value.strip()}


def _channel(server: Server) -> str:
    """Where deliveries come from; credentials are only referred to."""
    where = server.path or server.location
    if server.host:
        where = f"{server.host}:{server.port}/{server.database} {server.table}"
    return f"{tag(server.type)}{code(where)} {server.format}".rstrip()


def _schedule(feed: Feed) -> str:
    often = (
        f"每 {feed.sla.every} {UNITS[feed.sla.unit]}，{feed.sla.due_time} 前 by {feed.sla.due_time}"
    )
    if feed.sla.calendar:
        often = f"{often}；只在工作日到期 on workdays"
    schedule = getattr(feed.sla, "schedule", "")
    return f"{often}；取数 {code(schedule)}" if schedule else often


def _example(feed: Feed) -> Section:
    """The titles that a file has, beside what the cells below them look like in kind."""
    shown = feed.columns[:EXAMPLES]
    kinds = tuple(_kind(column) for column in shown)
    more = len(feed.columns) - len(shown)
    return Section(
        "文件样式",
        "what a file looks like",
        (*(column.title for column in shown), *(["……"] if more > 0 else [])),
        ((*kinds, *([f"另 {more} 列"] if more > 0 else [])),),
        wide=True,
    )


def _kind(column: Column) -> str:
    """An invented cell: what a value looks like, never one that was delivered."""
    if column.type == "boolean":
        return "是 / 否"
    if column.codes:
        return "代码或名称"
    if column.type in {"date", "timestamp"}:
        return "2026-01-31" if column.type == "date" else "2026-01-31 09:05:00"
    if column.type in {"integer", "decimal"}:
        return "12" if column.type == "integer" else "1234.50"
    forms = {"resident_id": "18 位", "uscc": "18 位", "phone": "11 位", "person_name": "姓名"}
    return forms.get(column.format, "文字" if column.textual else "编码")
