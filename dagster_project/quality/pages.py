"""Makes Great Expectations' pages open without a network, and the Chinese index before them."""

from __future__ import annotations

import html
import json
import re
from pathlib import Path

STYLE = """
body{font:15px/1.6 system-ui,"PingFang SC","Microsoft YaHei","Noto Sans CJK SC",sans-serif;
margin:0;color:#1c2733;background:#f6f8fa}
.container,.container-fluid,main{max-width:1080px;margin:0 auto;padding:24px}
nav,.navbar,.modal,.cooltip,.ge-toc-container,#ge-cta-footer,footer,.sticky,.btn,
.ge-breadcrumb,.breadcrumb,.collapse:not(.show){display:none!important}
h1,h2,h3,h4,h5{line-height:1.3;font-weight:600}
table{border-collapse:collapse;width:100%;background:#fff;margin:8px 0 20px}
th,td{border:1px solid #d8dee4;padding:6px 10px;text-align:left;vertical-align:top}
th{background:#eef2f6}
td.n{text-align:right;font-variant-numeric:tabular-nums}
.ok{color:#116329}.bad{color:#a40e26}
.ge-section{background:#fff;border:1px solid #d8dee4;border-radius:8px;padding:12px 20px;
margin:0 0 16px}
.fa-check-circle::before{content:"✔";color:#116329;font-style:normal}
.fa-times::before{content:"✘";color:#a40e26;font-style:normal}
.fa-exclamation-triangle::before{content:"⚠";color:#9a6700;font-style:normal}
a{color:#0550ae}
"""
REMOTE = re.compile(
    r"""<script[^>]*\bsrc=["']https?://[^>]*>\s*</script>"""
    r"""|<(?:link|img)\b[^>]*\b(?:href|src)=["']https?://[^>]*/?>""",
    re.IGNORECASE,
)
THEIRS = re.compile(r"<(script|style|footer)\b.*?</\1>", re.IGNORECASE | re.DOTALL)
ANCHOR = re.compile(
    r"""<a\b[^>]*\bhref=["'](?:https?://|\.\./|#[\w-]*collapse)[^>]*>(.*?)</a>""",
    re.IGNORECASE | re.DOTALL,
)
LOCAL = re.compile(
    r"""<(?:img|link)\b[^>]*\b(?:href|src)=["'](?:\.\./)*static/[^>]*/?>""", re.IGNORECASE
)
HIDDEN = re.compile(r"""<div class="mb-4">.*?<div class="sticky">""", re.DOTALL)
# The renderer's fixed words; the sentences of the rules come from the contracts.
WORDS = {
    "Table-Level Expectations": "整表规则",
    "Evaluated Expectations": "规则数",
    "Unsuccessful Expectations": "未通过",
    "Successful Expectations": "通过",
    "Success Percent": "通过率",
    "Expectation Suite:": "规则集：",
    "Observed Value": "实测",
    "Overview": "概况",
    "Statistics": "统计",
    "Status": "结果",
    "Expectation\n": "规则\n",
    "Data asset: None": "",
    "Show more info...": "",
    "Succeeded": "通过",
    "Failed": "未通过",
    "not null": "非空",
    "total rows.": "行",
    "unexpected values found.": "个值不符合，占",
    "unexpected": "不符合",
    "% of ": "%，共 ",
}
TITLE = re.compile(r"<title>.*?</title>", re.IGNORECASE | re.DOTALL)


def offline(page: str, title: str) -> str:
    """A page without scripts, remote addresses and pictures, in our own style.

    Args:
        page: HTML as Great Expectations renders it.
        title: The Chinese title of the table.
    """
    for pattern in (REMOTE, THEIRS, LOCAL, TITLE):
        page = pattern.sub("", page)
    page = HIDDEN.sub('<div><div class="sticky">', ANCHOR.sub(r"\1", page))
    for word, ours in WORDS.items():
        page = page.replace(word, ours)
    head = f'<meta charset="utf-8"><title>{html.escape(title)}</title><style>{STYLE}</style>'
    back = f'<main><a href="index.html">← 目录</a><h1>{html.escape(title)}</h1></main>'
    page = re.sub(r"<head>", f"<head>{head}", page, count=1, flags=re.IGNORECASE)
    return re.sub(r"(<body[^>]*>)", rf"\1{back}", page, count=1, flags=re.IGNORECASE)


def write_index(docs: Path, entries: list[dict[str, object]]) -> Path:
    """Write ``index.html``: one line per table that was ever validated, newest result.

    Args:
        docs: Folder of the pages.
        entries: ``table, title, checked_at, rules, failed_rules, rows`` of this run's tables.

    Returns:
        The index page.
    """
    memory = docs / "index.json"
    known: dict[str, dict[str, object]] = {}
    if memory.exists():
        known = json.loads(memory.read_text(encoding="utf-8"))
    known |= {str(entry["table"]): entry for entry in entries}
    memory.write_text(json.dumps(known, ensure_ascii=False, indent=1, sort_keys=True), "utf-8")
    rows = "".join(_index_row(known[name]) for name in sorted(known))
    page = (
        f'<!doctype html><html lang="zh"><head><meta charset="utf-8"><title>数据质量文档</title>'
        f"<style>{STYLE}</style></head><body><main><h1>数据质量文档</h1>"
        "<p>Great Expectations 对每个到达批次和每张上报表的复核结果。"
        "不含任何单元格的值。</p><table><tr><th>表</th><th>名称</th><th>行数</th>"
        f"<th>规则</th><th>未通过</th><th>时间（UTC）</th></tr>{rows}</table></main></body></html>"
    )
    path = docs / "index.html"
    path.write_text(page, encoding="utf-8")
    return path


def _index_row(entry: dict[str, object]) -> str:
    """One line of the index."""
    failed = int(str(entry["failed_rules"]))
    tone = "bad" if failed else "ok"
    table, title = html.escape(str(entry["table"])), html.escape(str(entry["title"]))
    return (
        f'<tr><td><a href="{table}.html">{table}</a></td><td>{title}</td>'
        f'<td class="n">{entry["rows"]}</td><td class="n">{entry["rules"]}</td>'
        f'<td class="n {tone}">{failed}</td><td>{entry["checked_at"]}</td></tr>'
    )
