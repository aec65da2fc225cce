"""Pages of the data dictionary: one per feed and an index, self-contained, Chinese and English.

What is on them comes as data (``components.steps.describing.handbook`` gathers it); the style is
that of the quality pages. No cell's value is on a page.
"""

from __future__ import annotations

import html
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from dagster_project.quality.pages import STYLE

OWN_STYLE = """
main{max-width:1240px}
.sub{color:#57606a;font-weight:400;font-size:.8em;margin-left:.5em}
dl{display:grid;grid-template-columns:max-content 1fr;gap:4px 20px;margin:8px 0 20px}
dt{color:#57606a}dd{margin:0}
code{font:13px/1.5 ui-monospace,"SF Mono",Consolas,monospace;background:#eef2f6;padding:1px 5px;
border-radius:4px;word-break:break-all}
table{font-size:13.5px}td:first-child{white-space:nowrap}
.tag{display:inline-block;border:1px solid #d8dee4;border-radius:9px;padding:0 8px;
margin:0 3px 3px 0;font-size:12px;background:#f6f8fa;white-space:nowrap}
.L3{background:#fff1e5;border-color:#e8b888}.L4{background:#ffebe9;border-color:#e5a5a0}
.key{background:#ddf4ff;border-color:#9ccbe8}
.sheet{overflow-x:auto}.sheet td,.sheet th{white-space:nowrap}
.small{color:#57606a;font-size:12.5px}
@media print{body{background:#fff;font-size:11px}main{max-width:none;padding:0}
table{font-size:10px;page-break-inside:auto}tr{page-break-inside:avoid}a{color:inherit}
.sheet{overflow:visible}.sheet td,.sheet th{white-space:normal}}
"""


@dataclass(frozen=True)
class Section:
    """A titled part: a table (``head`` and ``rows``), a list of facts, or a sentence."""

    title: str
    english: str
    head: tuple[str, ...] = ()
    rows: tuple[tuple[str, ...], ...] = ()
    facts: Mapping[str, str] = field(default_factory=dict)
    text: str = ""
    wide: bool = False


@dataclass(frozen=True)
class Page:
    """One page of the dictionary; ``name`` is the file's stem."""

    name: str
    title: str
    english: str
    sections: tuple[Section, ...]
    back: str = "index.html"


def as_html(page: Page) -> str:
    """The page as one file that opens without a network. Cells may hold ``[tag]`` marks."""
    back = f'<p class="small"><a href="{page.back}">← 数据字典 data dictionary</a></p>'
    parts = [back if page.name != "index" else ""]
    parts.append(f"<h1>{_text(page.title)}<span class='sub'>{_text(page.english)}</span></h1>")
    for section in page.sections:
        parts.append(
            f"<h2>{_text(section.title)}<span class='sub'>{_text(section.english)}</span></h2>"
        )
        parts += _html_section(section)
    return (
        '<!doctype html><html lang="zh"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f"<title>{_text(page.title)}</title><style>{STYLE}{OWN_STYLE}</style></head>"
        f"<body><main>{''.join(parts)}</main></body></html>\n"
    )


def as_markdown(page: Page) -> str:
    """The page as Markdown."""
    lines = [f"# {page.title} ({page.english})" if page.english else f"# {page.title}"]
    for section in page.sections:
        lines += ["", f"## {section.title} {section.english}".rstrip(), ""]
        lines += [section.text] if section.text else []
        lines += [f"- {word}: {_plain(value)}" for word, value in section.facts.items()]
        if section.head:
            lines.append(_row(section.head))
            lines.append(_row(["---"] * len(section.head)))
            lines += [_row(_plain(cell) for cell in row) for row in section.rows]
    return "\n".join(lines) + "\n"


def _html_section(section: Section) -> Iterable[str]:
    if section.text:
        yield f"<p>{_text(section.text)}</p>"
    if section.facts:
        facts = "".join(f"<dt>{_text(w)}</dt><dd>{_cell(v)}</dd>" for w, v in section.facts.items())
        yield f"<dl>{facts}</dl>"
    if section.head:
        head = "".join(f"<th>{_cell(one)}</th>" for one in section.head)
        rows = "".join(
            f"<tr>{''.join(f'<td>{_cell(cell)}</td>' for cell in row)}</tr>" for row in section.rows
        )
        table = f"<table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>"
        yield f'<div class="sheet">{table}</div>' if section.wide else table


def _cell(text: str) -> str:
    """A cell: lines, ``{tags}``, `code` and links ``<name.html|text>`` become HTML."""
    return "<br>".join(_line(line) for line in text.split("\n"))


def _line(text: str) -> str:
    made = []
    for kind, word in pieces(text):
        safe = _text(word)
        if kind == "tag":
            level = word.split(" ")[0]
            css = level if level in {"L3", "L4"} else "key" if level == "主键" else ""
            made.append(f'<span class="tag {css}">{safe}</span>')
        elif kind == "code":
            made.append(f"<code>{safe}</code>")
        elif kind == "link":
            target, _, label = word.partition("|")
            made.append(f'<a href="{_text(target)}">{_text(label)}</a>')
        else:
            made.append(safe)
    return "".join(made)


MARKS = {"\x01": "tag", "\x02": "code", "\x03": "link"}


def tag(text: str) -> str:
    """A short word in a frame."""
    return f"\x01{text}\x01"


def code(text: str) -> str:
    """A name that machines use."""
    return f"\x02{text}\x02" if text else ""


def link(target: str, text: str) -> str:
    """A link to another page."""
    return f"\x03{target}|{text}\x03"


def pieces(text: str) -> Iterable[tuple[str, str]]:
    """A marked text in its pieces: kind and words."""
    kind, word = "", ""
    for one in text:
        if one in MARKS:
            yield kind, word
            kind, word = ("" if kind else MARKS[one]), ""
        else:
            word += one
    yield kind, word


def _plain(text: str) -> str:
    """A marked text for Markdown."""
    forms = {"code": "`{}`", "tag": "{} "}
    made = []
    for kind, word in pieces(text):
        if kind == "link":
            target, _, label = word.partition("|")
            made.append(f"[{label}]({target.removesuffix('.html')}.md)")
        else:
            made.append(forms.get(kind, "{}").format(word) if word else "")
    return "".join(made).replace("\n", "<br>").strip()


def _row(cells: Iterable[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def _text(text: str) -> str:
    return html.escape(text)


def written(pages: Sequence[Page], kind: str) -> dict[str, str]:
    """Every page's file name and content.

    Args:
        pages: The pages.
        kind: ``html`` or ``md``.
    """
    make = as_html if kind == "html" else as_markdown
    return {f"{page.name}.{kind}": make(page) for page in pages}
