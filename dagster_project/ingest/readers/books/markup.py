"""HTML to tags and texts: one regular expression, no tree, nothing executed.

What the tags of a table mean is ``html_table``'s matter.
"""

from __future__ import annotations

import codecs
import html
import re
from collections.abc import Iterator
from pathlib import Path

from dagster_project.errors import DeliveryError
from dagster_project.ingest.readers.detect import SAVE_AS
from dagster_project.ingest.readers.text.decode import judge

HEAD = 65_536
_CHARSET = re.compile(rb"<meta[^>]{0,200}charset\s*=\s*[\"']?\s*([A-Za-z0-9_-]+)", re.IGNORECASE)
_CHINESE = {"gb2312": "gb18030", "gbk": "gb18030", "gb_2312-80": "gb18030", "big5": "big5hkscs"}
_BOMS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)

# Possessive throughout: no text makes it try twice.
_TOKEN = re.compile(
    r"(?P<text>[^<]++)"
    r"|<!--(?:(?!-->).)*+(?:-->|\Z)"
    r"|<(?P<raw>script|style|textarea|title|xml|noscript)(?=[\s>/])"
    r"(?:(?!</(?P=raw)[\s>]).)*+(?:</(?P=raw)[^>]*+>|\Z)"
    r"|<(?P<end>/?)(?P<tag>[a-z][^\s/>]*+)(?P<attributes>(?:[^>\"']++|\"[^\"]*+\"|'[^']*+')*+)>"
    r"|<(?P<loose_end>/?)(?P<loose_tag>[a-z][^\s/>]*+)(?P<loose>[^>]*+)(?:>|\Z)"
    r"|<[!?/][^>]*+(?:>|\Z)"
    r"|(?P<bare><)",
    re.IGNORECASE | re.DOTALL,
)
_ATTRIBUTE = re.compile(
    r"([^\s=/>\"']++)\s*+(?:=\s*+(?:\"([^\"]*+)\"|'([^']*+)'|([^\s>\"']++)))?+", re.DOTALL
)


def decoded(path: Path, name: str) -> str:
    """A page's text: by its mark, else UTF-8 if all of it is, else as it says of itself.

    Raises:
        DeliveryError: It is in no encoding that can be told.
    """
    data = path.read_bytes()
    mark = next((codec for bom, codec in _BOMS if data.startswith(bom)), "")
    if not mark and b"\x00" in data[:2]:
        mark = "utf-16-be" if data[0] == 0 else "utf-16-le"
    said = _CHARSET.search(data[:HEAD])
    declared = said[1].decode("ascii").lower() if said else ""
    codecs_ = [mark] if mark else ["utf-8", _CHINESE.get(declared, declared)]
    for codec in filter(None, codecs_):
        try:
            return data.decode(codec)
        except (UnicodeDecodeError, LookupError):
            continue
    if declared or mark:
        raise DeliveryError(
            f"the page says that it is in {declared or mark}, but it is not",
            where=name,
            todo=SAVE_AS,
            reason="undecodable",
        )
    return b"".join(judge(path, None, name=name).chunks()).decode()


def tokens(page: str) -> Iterator[tuple[str, str]]:
    """Tags in lower case with their attributes, ``/tag`` where one ends, texts under an empty tag.

    Comments, scripts and styles are left out.
    """
    for token in _TOKEN.finditer(page):
        if (text := token["text"]) is not None:
            yield "", html.unescape(text) if "&" in text else text
        elif tag := token["tag"]:
            yield (token["end"] + tag).lower(), token["attributes"]
        elif tag := token["loose_tag"]:
            yield (token["loose_end"] + tag).lower(), token["loose"]
        elif token["bare"]:
            yield "", "<"


def attributes(raw: str) -> dict[str, str]:
    """A tag's attributes by their names in lower case."""
    if not raw.strip(" /\r\n\t"):
        return {}
    return {
        name.lower(): html.unescape(double or single or plain)
        for name, double, single, plain in _ATTRIBUTE.findall(raw)
    }
