r"""Patterns that every engine reads alike and that end in linear time, whatever the text is.

DuckDB asks RE2. pandas asks RE2 too, but falls back to Python's engine, which may take for ever and
knows other digits, for ``\d``, ``\w`` and ``\s`` in Chinese texts, for ``$``, and where RE2 has no
words. A pattern is therefore spelled out here; what cannot be spelled so has no linear form.
"""

from __future__ import annotations

OUTSIDE = {
    "d": "[0-9]",
    "D": "[^0-9]",
    "w": "[0-9A-Za-z_]",
    "W": "[^0-9A-Za-z_]",
    "s": r"[\t\n\f\r ]",
    "S": r"[^\t\n\f\r ]",
}
INSIDE = {"d": "0-9", "w": "0-9A-Za-z_", "s": r"\t\n\f\r "}
PLAIN = frozenset("tnrfv")
"""Letters that mean the same after a backslash everywhere."""


def linear(pattern: str) -> str:
    """The pattern as RE2 and Python read it alike; empty when there is no such form.

    Args:
        pattern: A regular expression in RE2's words.
    """
    made: list[str] = []
    inside = False
    at = 0
    while at < len(pattern):
        char, rest = pattern[at], pattern[at + 1 :]
        at += 1
        if char == "\\":
            spelled = _escaped(rest[:1], inside=inside)
            if not spelled:
                return ""
            made.append(spelled)
            at += 1
        elif inside:
            if char == "[":
                return ""
            made.append(char)
            # A bracket that stands first belongs to the list.
            inside = char != "]" or made[-2] in {"[", "[^"}
        elif char == "[":
            inside = True
            negated = rest.startswith("^")
            made.append("[^" if negated else "[")
            at += negated
        elif char == "(" and rest.startswith("?") and not rest.startswith("?:"):
            return ""
        else:
            made.append(r"\Z" if char == "$" else char)
    return "" if inside else "".join(made)


def _escaped(char: str, *, inside: bool) -> str:
    if char in (INSIDE if inside else OUTSIDE):
        return (INSIDE if inside else OUTSIDE)[char]
    if char in PLAIN or (char and char.isascii() and not char.isalnum()):
        return f"\\{char}"
    return ""
