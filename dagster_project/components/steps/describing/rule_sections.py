"""What the data dictionary says of a feed's rules, and of what holds its deliveries.

Rules that come with a column stand beside it (``handbook``); how a page looks is
``quality.dictionary_pages``' matter.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from dagster_project.contracts.model import Feed, Rule
from dagster_project.contracts.table_rule import TableRule
from dagster_project.quality.dictionary_pages import Section, code, link

HEAD = (
    *("编号 id", "说明 meaning", "级别 severity", "维度 dimension", "条件 condition"),
    "阈值 thresholds",
)
DIMENSIONS = {
    "normativity": "规范性",
    "completeness": "完整性",
    "accuracy": "准确性",
    "consistency": "一致性",
    "timeliness": "时效性",
    "accessibility": "可访问性",
}
FORMS = {"unique": "唯一 unique", "group": "分组 group", "sequence": "连号 sequence"}


def rule_sections(feed: Feed) -> Iterator[Section]:
    """The rules of single records, and those of records together."""
    rows = tuple(
        (*_said(rule, "拒收 fail"), code(rule.expression), _thresholds(rule.parameters))
        for rule in feed.rules
    )
    if rows:
        yield Section("记录规则", "row rules", HEAD, rows)
    tables = tuple(
        (*_said(rule, "错误 fail"), _condition(feed, rule), _thresholds(rule.parameters))
        for rule in feed.table_rules
    )
    if tables:
        yield Section("跨记录规则", "rules of records together", HEAD, tables)


def gate_text(feed: Feed) -> str:
    """What holds a delivery of the feed for a person's decision."""
    most = [f"{feed.gate.rows} 行 rows"] if feed.gate.rows is not None else []
    most.append(f"{feed.gate.share:.1%}")
    lines = [f"问题行超过 more rejected rows than {' 或 or '.join(most)}"]
    if feed.gate.hard:
        hard = " ".join(code(name) for name in feed.gate.hard)
        lines.append(f"违反任一条 one failure of {hard}")
    return "\n".join(lines)


def _said(rule: Rule | TableRule, wrong: str) -> tuple[str, str, str, str]:
    """Id, sentence, severity and dimension; a rule without a dimension is a flag."""
    soft = "提示 warn" if rule.dimension else "预警 flag"
    severity = wrong if rule.severity == "fail" else soft
    dimension = f"{DIMENSIONS[rule.dimension]} {rule.dimension}" if rule.dimension else "—"
    return code(rule.id), rule.message, severity, dimension


def _condition(feed: Feed, rule: TableRule) -> str:
    """What is asked of which records, and of whose."""
    lines = []
    if rule.sequence:
        lines.append(f"{FORMS['sequence']}: {code(rule.sequence)}")
    if rule.columns:
        form = "unique" if rule.form == "unique" else "group"
        lines.append(f"{FORMS[form]}: {' '.join(code(name) for name in rule.columns)}")
    lines += [code(text) for text in (rule.holds, rule.query) if text]
    if rule.where:
        lines.append(f"范围 where: {code(rule.where)}")
    others = [name for name in rule.inputs if name != feed.name]
    if others:
        lines.append(f"另读 reads: {'、'.join(link(f'{name}.html', name) for name in others)}")
    return "\n".join(lines)


def _thresholds(parameters: Mapping[str, str]) -> str:
    return "\n".join(f"{code(name)} = {value}" for name, value in parameters.items())
