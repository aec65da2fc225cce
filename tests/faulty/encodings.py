"""Text files in every encoding that departments deliver, and text that an encoding has spoilt."""

from __future__ import annotations

import codecs

from tests.faulty.kit import HEADER, ROWS, TABLE, file, gzipped, lines

_TRADITIONAL = (
    ("編號", "姓名", "鄉鎮", "金額", "備註"),
    ("P001", "安樣甲", "龍頭鎮", "1200.50", "農業機械購置補貼"),
    ("P002", "白樣乙", "鹽灣鎮", "800.00", "養老金補發"),
    ("P003", "程樣丙", "鎖簧鎮", "45.25", "戶籍登記簿裏寫著龍頭鎮公所"),
)
_CANTONESE = (
    *_TRADITIONAL[:3],
    ("P003", "程樣丙", "鎖簧鎮", "45.25", "呢筆錢係佢哋嘅，已經收咗喺度"),
    ("P004", "段樣丁", "深水埗", "60.00", "睇吓啲單據"),
)
_LATIN = (
    ("No", "Name", "Town", "Amount", "Note"),
    ("P001", "José Exemplo", "Orléans", "1200.50", "café"),
    ("P002", "Jürgen Muster", "Köln", "800.00", "5 € – “gültig”"),
    ("P003", "Zoë Voorbeeld", "Liège", "45.25", "déjà vu…"),
)


@file("E01_utf8.csv")
def _utf8() -> bytes:
    return lines(TABLE).encode("utf-8")


@file("E02_utf8_bom.csv")
def _bom() -> bytes:
    return lines(TABLE).encode("utf-8-sig")


@file("E03_utf8_双bom.csv")
def _two_marks() -> bytes:
    return codecs.BOM_UTF8 + lines(TABLE).encode("utf-8-sig")


@file("E04_gb18030_双字节.csv")
def _gbk() -> bytes:
    return lines(TABLE).encode("gb18030")


@file("E05_gb18030_四字节.csv")
def _four_bytes() -> bytes:
    rare = (("P004", "段㐀䶮", "岔口乡", "7.00", "𠮷𠀀 • 生僻字"),)
    return lines(TABLE + rare).encode("gb18030")


@file("E06_gb18030_少量私用区.csv")
def _private_use() -> bytes:
    rare = (("P004", "段\ue000丁", "岔口乡", "7.00", "名中一字为造字"),)
    return lines(TABLE + rare).encode("gb18030")


@file("E07_big5_cp950.csv")
def _cp950() -> bytes:
    # The euro sign is A3E1 in code page 950 and nothing in Python's Big5-HKSCS.
    row = (("P004", "段樣丁", "岔口鄉", "7.00", "折合約1€"),)
    return lines(_TRADITIONAL + row).encode("cp950")


@file("E08_big5_hkscs.csv")
def _hkscs() -> bytes:
    return lines(_CANTONESE).encode("big5hkscs")


@file("E09_utf16le_bom_unicode文本.txt")
def _utf16_le() -> bytes:
    text = lines(TABLE, delimiter="\t", end="\r\n")
    return codecs.BOM_UTF16_LE + text.encode("utf-16-le")


@file("E10_utf16be_bom.csv")
def _utf16_be() -> bytes:
    rare = (("P004", "段𠮷丁", "岔口乡", "7.00", "代理对"),)
    return codecs.BOM_UTF16_BE + lines(TABLE + rare).encode("utf-16-be")


@file("E11_utf16le_无bom.csv")
def _utf16_bare() -> bytes:
    return lines(TABLE, end="\r\n").encode("utf-16-le")


@file("E12_cp1252.csv")
def _cp1252() -> bytes:
    return lines(_LATIN).encode("cp1252")


@file("E13_乱码_可修复.csv")
def _repairable() -> bytes:
    """UTF-8 that was read as cp1252 and saved again; two rows of four."""
    whole = (ROWS[1], ("P003", "平定县", "平定县", "45.25", "平定"))
    spoilt = [tuple(_misread(cell) for cell in row) for row in whole]
    last = ("P004", "段样丁", "岔口乡", "7.00", "正常")
    return lines((HEADER, ROWS[0], *spoilt, last)).encode("utf-8")


def _misread(cell: str) -> str:
    """A cell's UTF-8 bytes as cp1252, with the five undefined bytes as Latin-1 has them."""
    return "".join(
        bytes([byte]).decode("cp1252" if byte not in (0x81, 0x8D, 0x8F, 0x90, 0x9D) else "latin-1")
        for byte in cell.encode("utf-8")
    )


@file("E14_乱码_锟斤拷.csv")
def _lost() -> bytes:
    rows = (
        *TABLE,
        ("P004", "段锟斤拷", "岔口乡", "7.00", "名字已丢失"),
        ("P005", "冯样戊", "娘子关镇", "8.00", "烫烫烫烫"),
        ("P006", "高样己", "巨城镇", "9.00", "\ufffd\ufffd"),
        ("P007", "韩样庚", "石门口乡", "10.00", "一壶水烫手"),
    )
    return lines(rows).encode("utf-8")


@file("E15_utf8_末尾杂字节.csv")
def _stray_byte() -> bytes:
    body = [(f"P{n:04d}", "安样甲", "冠山镇", "1.00", "低保金") for n in range(1, 401)]
    return lines([HEADER, *body]).encode("utf-8") + b"P0401,caf\xe9,x,1.00,\n"


@file("E16_utf8_一兆之后杂字节.csv.gz")
def _stray_byte_late() -> bytes:
    """The byte stands behind 1.3 MB: whoever looks at the first megabyte misses it."""
    row = ("P0001", "安样甲", "冠山镇", "1.00", "低保金")
    body = lines([HEADER]) + lines([row]) * 32_000
    return gzipped(body.encode("utf-8") + b"P0002,caf\xe9,x,1.00,\n" + lines([row]).encode())


@file("E17_问号代替汉字.csv")
def _question_marks() -> bytes:
    row = (("P004", "??", "岔口乡", "7.00", "名字已成问号"),)
    return lines(TABLE + row).encode("utf-8")


@file("E18_表头内bom.csv")
def _mark_in_header() -> bytes:
    """A mark inside of the first title's quotes, as some exporters leave it."""
    return lines((('"\ufeff编号"', *HEADER[1:]), *ROWS)).encode("utf-8-sig")


@file("E19_gb18030_大量私用区.csv")
def _mostly_private() -> bytes:
    """Every name has a private-use character; as Big5 the bytes would be other rubbish."""
    names = [(f"P{n:03d}", "安\ue000") for n in range(1, 13)]
    return lines([HEADER[:2], *names]).encode("gb18030")


@file("E20_utf32_bom.csv")
def _utf32() -> bytes:
    """Its mark begins like that of UTF-16, and every other unit is zero."""
    return codecs.BOM_UTF32_LE + lines(TABLE).encode("utf-32-le")


@file("E21_utf8_末字不全.csv")
def _half_character() -> bytes:
    """Half an upload: the file ends within a character."""
    return lines(TABLE).encode("utf-8").rstrip(b"\n")[:-1]


@file("E22_gb18030_末字不全.csv")
def _half_wide_character() -> bytes:
    return lines(TABLE).encode("gb18030").rstrip(b"\n")[:-1]


@file("E23_俄文koi8.csv")
def _koi8() -> bytes:
    rows = (("Номер", "Имя", "Город"), ("1", "Иван", "Москва"), ("2", "Пётр", "Тула"))
    return lines(rows).encode("koi8-r")


@file("E24_日文shift_jis.csv")
def _shift_jis() -> bytes:
    rows = (
        ("番号", "氏名", "町"),
        ("P001", "見本太郎", "ひらがな町"),
        ("P002", "見本花子", "カナ町"),
    )
    return lines(rows).encode("shift_jis")


@file("E25_繁体短文.csv")
def _short_traditional() -> bytes:
    return lines((("編號", "姓名"), ("P001", "安樣甲"))).encode("cp950")


@file("E26_汉字太少.csv")
def _too_little() -> bytes:
    """One character of two bytes could be GB18030 or Big5; nothing else in the file tells."""
    return lines((("id", "name"), ("P001", "安"))).encode("gb18030")
