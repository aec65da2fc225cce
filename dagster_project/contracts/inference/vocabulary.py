"""Words of titles -> English names. The words are data (``schemas/words.csv``).

Contracts that exist are asked first (``dictionary``); these words serve titles that nobody has
described yet.
"""

from __future__ import annotations

import csv
import re
import unicodedata
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from dagster_project.errors import ContractError

LONGEST = 8
"""No word of a title is longer."""
_FILLERS = re.compile(r"[的之及和与、/／\s_\-（）()：:*.]+")
_LATIN = re.compile(r"[A-Za-z][A-Za-z0-9_]*")
_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_ASIDE = re.compile(r"\([^()]*\)$")

SURNAMES: Final = frozenset(
    "王李张刘陈杨黄赵吴周徐孙马朱胡郭何林高罗郑梁谢宋唐许韩冯邓曹彭曾肖田董袁潘于蒋蔡余杜叶程苏"
    "魏吕丁任沈姚卢姜崔钟谭陆汪范金石廖贾夏韦付方白邹孟熊秦邱江尹薛闫段雷侯龙史陶黎贺顾毛郝龚邵"
    "万钱严覃武戴莫孔向汤温康施文牛樊葛邢安齐易乔伍庞颜倪庄聂章鲁岳翟殷詹申欧耿关兰焦俞左柳甘祝"
    "包宁尚符舒阮柯纪梅童凌毕单季裴霍涂成苗谷盛曲翁冉骆蓝路游辛靳管柴蒙鲍华喻祁蒲房滕屈饶解牟艾尤"
    "阳时穆农司卓古吉缪简车项连芦麦褚娄窦戚岑"
)
"""Characters that most Chinese names begin with: the most frequent surnames of the census."""


class Vocabulary:
    """The words of ``schemas/words.csv``."""

    def __init__(self, words: Mapping[str, str]) -> None:
        self.words = words
        self._known: dict[str, tuple[str, ...] | None] = {"": ()}

    @classmethod
    def at(cls, schemas: Path) -> Vocabulary:
        """From a ``schemas`` folder; a folder without the file knows no words.

        Raises:
            ContractError: The file is no list of words and names.
        """
        path = schemas / "words.csv"
        if not path.exists():
            return cls({})
        try:
            lines = path.read_text("utf-8").splitlines()
        except (OSError, UnicodeDecodeError) as error:
            raise ContractError("the words cannot be read", where=path.name) from error
        rows = [row for row in csv.reader(lines) if row and not row[0].startswith("#")]
        if any(len(row) != 2 for row in rows):  # noqa: PLR2004
            raise ContractError(
                "a line is not `word,name`", where=path.name, todo="Correct the line"
            )
        return cls({row[0]: row[1] for row in rows[1:]})

    def english(self, title: str) -> str:
        """A title as a column's name, or nothing where a part of it is not known."""
        text = _ASIDE.sub("", unicodedata.normalize("NFKC", title)).strip()
        if text.isascii():
            return slug(text)
        parts: list[str] = []
        for piece in filter(None, _FILLERS.split(text)):
            words = self._segments(piece)
            if words is None:
                return ""
            parts += [word for word in words if word]
        return slug("_".join(w for n, w in enumerate(parts) if n == 0 or parts[n - 1] != w))

    def _segments(self, text: str) -> tuple[str, ...] | None:
        """The fewest known words that make up a text; None where a part is unknown."""
        if text not in self._known:
            best: tuple[str, ...] | None = None
            for begin, word in self._beginnings(text):
                rest = self._segments(text[len(begin) :])
                if rest is not None and (best is None or len(rest) + 1 < len(best)):
                    best = (word, *rest)
            self._known[text] = best
        return self._known[text]

    def _beginnings(self, text: str) -> list[tuple[str, str]]:
        if match := _LATIN.match(text):
            return [(match[0], slug(match[0]))]
        if match := re.match(r"\d+", text):
            return [(match[0], match[0])]
        sizes = range(min(len(text), LONGEST), 0, -1)
        return [(text[:n], self.words[text[:n]]) for n in sizes if text[:n] in self.words]


def slug(text: str) -> str:
    """Latin text in lower_snake; empty where nothing of it may begin a name.

    >>> slug("updateTime"), slug("data.items[0]"), slug("2023")
    ('update_time', 'data_items_0', '')
    """
    lowered = re.sub(r"[^a-z0-9]+", "_", _CAMEL.sub("_", text).lower()).strip("_")
    return lowered if re.match(r"[a-z]", lowered) else ""
