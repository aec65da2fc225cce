"""Do the words of one rule's ``implementation`` fit together? Each answer is a sentence.

What its SQL says is judged in ``checks`` (rows) and ``table_checks`` (records together).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from sqlglot import exp

from dagster_project.contracts.document import Document
from dagster_project.contracts.model import Problem
from dagster_project.contracts.rowsql import parse

FORMS = ("row", "unique", "group", "sequence", "records")
_TEXTS = ("row", "where", "holds", "records")


def rule_form_problems(document: Document) -> Iterator[Problem]:
    """What does not fit within the rules of a contract, each with its rule's line."""
    for number, entry in enumerate(document.data["schema"][0].get("quality") or ()):
        said = entry["implementation"]
        form = said if isinstance(said, Mapping) else {"row": said}
        for fault in _faults(entry, form):
            what = f"rule `{entry['id']}`: {fault}"
            yield document.problem(what, "schema", 0, "quality", number)


def _faults(entry: Mapping[str, Any], form: Mapping[str, Any]) -> Iterator[str]:
    said = [name for name in FORMS if name in form and (name != "group" or "holds" in form)]
    if len(said) > 1:
        both = " and ".join(f"`{name}`" for name in said)
        yield f"it has {both}; a rule has one form: write two rules"
    if "row" in form and not entry.get("dimension"):
        yield "a row rule counts in a dimension; name its `dimension`, or write a flag as `records`"
    named = {
        node.name
        for text in (form.get(word) for word in _TEXTS)
        if text and (tree := parse(text))
        for node in tree.find_all(exp.Placeholder)
    }
    for name in form.get("parameters") or ():
        if named and name not in named:
            shown = ", ".join(f"`:{one}`" for one in sorted(named))
            yield f"nothing in it names `:{name}`, it names {shown}; correct one of them"
        elif not named:
            yield f"nothing in it names `:{name}`; use the threshold or leave it out"
