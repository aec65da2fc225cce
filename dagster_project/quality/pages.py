"""The pages of Great Expectations' results: one per table and an index, in Chinese, offline.

A page is one file without scripts, remote addresses or pictures. It is made of numbers and of the
contract's sentences: no cell ever comes here.
"""

from __future__ import annotations

import html
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

from dagster_project.quality.gx import Outcome

SHANGHAI = ZoneInfo("Asia/Shanghai")
STYLE = """
:root{--line:#d8dee4;--soft:#f6f8fa;--text:#1c2733;--grey:#57606a;--ok:#116329;--bad:#a40e26;
--warn:#8a5a00}
*{box-sizing:border-box}
body{font:15px/1.65 system-ui,"PingFang SC","Microsoft YaHei","Noto Sans CJK SC",sans-serif;
margin:0;color:var(--text);background:var(--soft)}
main{max-width:1120px;margin:0 auto;padding:24px}
h1{font-size:26px;line-height:1.3;margin:8px 0}
h2{font-size:18px;margin:28px 0 8px}
p{margin:4px 0}
.grey{color:var(--grey)}
.facts{display:flex;flex-wrap:wrap;gap:12px;margin:16px 0}
.fact{background:#fff;border:1px solid var(--line);border-radius:8px;padding:10px 18px;
min-width:128px}
.fact b{display:block;font-size:24px;line-height:1.3;font-variant-numeric:tabular-nums}
.scroll{overflow-x:auto}
table{border-collapse:collapse;width:100%;background:#fff;margin:0 0 16px}
th,td{border:1px solid var(--line);padding:6px 10px;text-align:left;vertical-align:top}
th{background:#eef2f6;white-space:nowrap;font-weight:600}
td.n,th.n{text-align:right;font-variant-numeric:tabular-nums;white-space:nowrap}
td.w{white-space:nowrap}
code{font:13px/1.5 ui-monospace,Consolas,monospace;color:var(--grey);overflow-wrap:anywhere}
.ok{color:var(--ok)}.bad{color:var(--bad)}.warn{color:var(--warn)}
.own{background:#ddf4ff;border-radius:4px;padding:0 6px;margin-right:6px;white-space:nowrap}
.past{display:inline-flex;gap:2px;align-items:flex-end;height:18px}
.past i{width:6px;background:#2da44e;height:4px}
.past i.bad{background:var(--bad)}
details{margin:20px 0}summary{cursor:pointer;font-size:18px;font-weight:600;padding:4px 0}
a{color:#0550ae}
@media print{body{background:#fff}details:not([open])>*{display:block}}
"""
AGREE = {True: '<span class="ok">一致</span>', False: '<span class="bad">不一致</span>'}


@dataclass(frozen=True)
class Line:
    """One rule on a page.

    ``ours`` is how many rows the county's own programme failed for the same rule of the same
    batch, where it counted them; ``past`` are earlier runs' shares of failed rows, oldest first.
    """

    outcome: Outcome
    ours: int | None = None
    past: tuple[float, ...] = ()

    @property
    def share(self) -> float:
        """Failed of checked."""
        return self.outcome.failed / self.outcome.checked if self.outcome.checked else 0.0

    @property
    def agrees(self) -> bool | None:
        """Whether both opinions count the same; nothing where only one was asked."""
        return None if self.ours is None else self.ours == self.outcome.failed


@dataclass(frozen=True)
class Page:
    """One table's page: what was validated, when, and what was found."""

    table: str
    title: str
    provider: str
    batch_id: str
    rows: int
    asked: int
    at: datetime
    lines: tuple[Line, ...]

    @property
    def is_sampled(self) -> bool:
        """Whether only some rows were asked."""
        return self.asked < self.rows

    @property
    def failed(self) -> tuple[Line, ...]:
        """The rules that did not hold."""
        return tuple(line for line in self.lines if not line.outcome.success)


def write_page(docs: Path, page: Page) -> Path:
    """Write ``<table>.html``; a reader never sees half of it."""
    own = [line for line in page.lines if line.outcome.expectation.is_own]
    ours = [line for line in page.lines if not line.outcome.expectation.is_own]
    broken = [line for line in ours if not line.outcome.success]
    kept = [line for line in ours if line.outcome.success]
    body = [
        '<a href="index.html">← 全部数据表</a>',
        f"<h1>{_text(page.title)}</h1>",
        f'<p class="grey"><code>{_text(page.table)}</code>　{_text(page.provider)}</p>',
        _what(page),
        _facts(page),
        "<h2>未通过的规则</h2>",
        _rules(broken) if broken else '<p class="ok">没有。</p>',
    ]
    if own:
        body += [
            "<h2>本县自定规则</h2>",
            '<p class="grey">由本县写在数据契约旁边的文件里，只作提示，不影响归集。</p>',
            _rules(own),
        ]
    if kept:
        body.append(
            f"<details{'' if broken or own else ' open'}><summary>已通过的规则"
            f"（{len(kept)} 条）</summary>{_rules(kept)}</details>"
        )
    body.append(_notes())
    return _written(docs / f"{page.table}.html", page.title, "".join(body))


def _what(page: Page) -> str:
    at = page.at.astimezone(SHANGHAI)
    said = [f"复核时间 {at:%Y-%m-%d %H:%M}（北京时间）"]
    if page.batch_id:
        said.append(f"批次 <code>{_text(page.batch_id)}</code>")
    if page.is_sampled:
        said.append(
            f"本批 {page.rows:,} 行，按行的位置固定抽取 {page.asked:,} 行复核，"
            "不符合数只是样本中的数"
        )
    return f"<p>{'；'.join(said)}。</p>"


def _facts(page: Page) -> str:
    failed = len(page.failed)
    compared = [line.agrees for line in page.lines if line.agrees is not None]
    facts = [
        ("复核行数", f"{page.asked:,}", ""),
        ("规则", f"{len(page.lines)}", ""),
        ("通过", f"{len(page.lines) - failed}", "ok"),
        ("未通过", f"{failed}", "bad" if failed else "ok"),
    ]
    if compared:
        differ = compared.count(False)
        facts.append(("与系统判定不一致", f"{differ}", "bad" if differ else "ok"))
    made = "".join(
        f'<div class="fact">{name}<b class="{tone}">{value}</b></div>'
        for name, value, tone in facts
    )
    return f'<div class="facts">{made}</div>'


def _rules(lines: Sequence[Line]) -> str:
    ordered = sorted(
        lines,
        key=lambda line: (
            line.outcome.success,
            line.outcome.expectation.severity != "fail",
            -line.share,
        ),
    )
    head = (
        "<tr><th>结果</th><th>规则</th><th>级别</th><th class=n>检查</th><th class=n>不符合</th>"
        "<th class=n>占比</th><th>系统判定</th><th>近几次</th></tr>"
    )
    return f'<div class="scroll"><table>{head}{"".join(map(_rule, ordered))}</table></div>'


def _rule(line: Line) -> str:
    found, rule = line.outcome, line.outcome.expectation
    is_fail = rule.severity == "fail"
    if found.error:
        mark = '<span class="warn">！未能运行</span>'
    elif found.success:
        mark = '<span class="ok">✔ 通过</span>'
    else:
        mark = f'<span class="{"bad" if is_fail else "warn"}">✘ 未通过</span>'
    own = '<span class="own">本县</span>' if rule.is_own else ""
    agrees = "" if line.agrees is None else AGREE[line.agrees]
    why = f"<br><span class=warn>{_text(found.error)}</span>" if found.error else ""
    return (
        f'<tr><td class="w">{mark}</td>'
        f"<td>{own}{_text(rule.sentence)}<br><code>{_text(rule.rule_id)}</code>{why}</td>"
        f'<td class="w">{"错误" if is_fail else "提示"}</td><td class="n">{found.checked:,}</td>'
        f'<td class="n">{found.failed:,}</td><td class="n">{_percent(line)}</td>'
        f'<td class="w">{agrees}</td><td>{_past(line)}</td></tr>'
    )


def _percent(line: Line) -> str:
    if not line.outcome.failed:
        return "0"
    share = 100 * line.share
    return f"{share:.2f}%" if share >= 0.01 else "&lt;0.01%"  # noqa: PLR2004 - two digits


def _past(line: Line) -> str:
    """A small column for each of the last runs, this one at the right."""
    shares = (*line.past, line.share)
    bars = "".join(
        f'<i class="{"bad" if share else "ok"}" style="height:{4 + round(14 * share**0.5)}px"'
        f' title="{share:.2%}"></i>'
        for share in shares
    )
    return f'<span class="past">{bars}</span>'


def _notes() -> str:
    notes = [
        "本页由 Great Expectations 按数据契约自动生成，是系统判定之外的第二意见。",
        "它在归集之后运行，不会阻止或改变任何数据。",
        "每个单元格只由第一条不符合的规则计数；表头、合计等剔除行和残缺行不在复核之列。",
        "校验码、引用等规则没有对应写法，只由系统判定。本页不含任何单元格的值。",
    ]
    return "".join(f'<p class="grey">{note}</p>' for note in notes)


def write_index(docs: Path, pages: Iterable[Page]) -> Path:
    """Write ``index.html``: one line per table that was ever validated, with its newest result.

    Args:
        docs: Folder of the pages.
        pages: This run's tables; those of earlier runs are remembered in ``index.json``.

    Returns:
        The index page.
    """
    memory = docs / "index.json"
    known: dict[str, dict[str, str | int]] = {}
    if memory.exists():
        known = json.loads(memory.read_text(encoding="utf-8"))
    known |= {page.table: _entry(page) for page in pages}
    memory.write_text(json.dumps(known, ensure_ascii=False, indent=1, sort_keys=True), "utf-8")
    parts = (
        ("部门数据", [name for name in sorted(known) if "." not in name]),
        ("上报报表", [name for name in sorted(known) if "." in name]),
    )
    body = [
        "<h1>数据质量复核</h1>",
        '<p class="grey">Great Expectations 对每个到达批次和每张上报表的第二意见。</p>',
        '<p class="grey">不含任何单元格的值，断网也能打开。</p>',
    ]
    for title, names in parts:
        if names:
            rows = "".join(_index_row(name, known[name]) for name in names)
            head = (
                "<tr><th>名称</th><th>表</th><th>提供部门</th><th class=n>行数</th>"
                "<th class=n>规则</th><th class=n>未通过</th><th class=n>与系统不一致</th>"
                "<th>复核时间（北京）</th></tr>"
            )
            body.append(f'<h2>{title}</h2><div class="scroll"><table>{head}{rows}</table></div>')
    return _written(docs / "index.html", "数据质量复核", "".join(body))


def _entry(page: Page) -> dict[str, str | int]:
    return {
        "title": page.title,
        "provider": page.provider,
        "rows": page.rows,
        "rules": len(page.lines),
        "own_rules": sum(line.outcome.expectation.is_own for line in page.lines),
        "failed_rules": len(page.failed),
        "differing_rules": sum(line.agrees is False for line in page.lines),
        "checked_at": f"{page.at.astimezone(SHANGHAI):%Y-%m-%d %H:%M}",
    }


def _index_row(table: str, entry: dict[str, str | int]) -> str:
    """One line of the index."""
    failed, own = int(entry["failed_rules"]), int(entry.get("own_rules", 0))
    differ = int(entry.get("differing_rules", 0))
    rules = f"{entry['rules']}" + (f"（含本县 {own}）" if own else "")
    return (
        f'<tr><td><a href="{_text(table)}.html">{_text(entry["title"])}</a></td>'
        f"<td><code>{_text(table)}</code></td><td>{_text(entry.get('provider', ''))}</td>"
        f'<td class="n">{int(entry["rows"]):,}</td><td class="n">{rules}</td>'
        f'<td class="n {"bad" if failed else "ok"}">{failed}</td>'
        f'<td class="n {"bad" if differ else "ok"}">{differ}</td>'
        f'<td class="w">{_text(entry["checked_at"])}</td></tr>'
    )


def _text(value: object) -> str:
    return html.escape(str(value))


def _written(path: Path, title: str, body: str) -> Path:
    page = (
        '<!doctype html><html lang="zh-CN"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f"<title>{_text(title)}</title><style>{STYLE}</style></head>"
        f"<body><main>{body}</main></body></html>\n"
    )
    partial = path.with_name(f".{path.name}")
    partial.write_text(page, encoding="utf-8")
    partial.replace(path)
    return path
