"""Encodings: judged on all bytes and on evidence, refused when they cannot be told."""

from __future__ import annotations

from pathlib import Path

import pytest

from dagster_project.contracts.model import Column, Feed, Sla
from dagster_project.errors import DeliveryError
from dagster_project.ingest.readers.text import decode, legacy

SIMPLIFIED = "编号,姓名,地址\n1,陈大文,平定县冠山镇\n2,李小明,娘子关镇\n"
TRADITIONAL = "編號,姓名,地址\n1,陳大文,臺北市中正區\n2,李小明,高雄市鼓山區\n"
WESTERN = "id,name,city\n1,Müller,Zürich\n2,José,Málaga\n3,Smith,Dover\n"


def feed(*encodings: str, titles: tuple[str, ...] = ("编号", "姓名", "地址")) -> Feed:
    """A contract that accepts these encodings."""
    columns = tuple(Column(f"c{n}", title, "string") for n, title in enumerate(titles))
    return Feed("people", "人", "1.0.0", "ga", "公安局", columns, (), "full", ("*",), Sla(),
                encodings=encodings)  # fmt: skip


def judged(tmp_path: Path, data: bytes, contract: Feed | None = None) -> decode.Text:
    """The verdict on bytes."""
    path = tmp_path / "people.csv"
    path.write_bytes(data)
    return decode.judge(path, contract, name="people.csv")


def refused(tmp_path: Path, data: bytes, contract: Feed | None = None) -> DeliveryError:
    """The refusal of bytes, at once or while they are decoded."""
    with pytest.raises(DeliveryError) as refusal:
        list(judged(tmp_path, data, contract).chunks())
    return refusal.value


@pytest.mark.parametrize(
    ("text", "codec", "expected"),
    [
        (SIMPLIFIED, "utf-8", "utf-8"),
        (SIMPLIFIED, "utf-8-sig", "utf-8-sig"),
        ("\ufeff" + SIMPLIFIED, "utf-8-sig", "utf-8-sig"),
        (SIMPLIFIED, "utf-16", "utf-16-le"),
        (SIMPLIFIED, "utf-16-le", "utf-16-le"),
        (SIMPLIFIED, "utf-16-be", "utf-16-be"),
        ("\ufeff" + SIMPLIFIED, "utf-16-be", "utf-16-be"),
        (SIMPLIFIED, "gb18030", "gb18030"),
        (TRADITIONAL, "gb18030", "gb18030"),
        (SIMPLIFIED + "3,𠀀龦䶮㐀,•\n", "gb18030", "gb18030"),
        (TRADITIONAL, "cp950", "cp950"),
        (TRADITIONAL + "3,陳啲嘅,鰂魚涌邨\n", "big5hkscs", "big5hkscs"),
        (WESTERN, "cp1252", "cp1252"),
        ("id,name\n1,Smith\n", "ascii", "utf-8"),
    ],
)
@pytest.mark.parametrize("chunk", [1, 7, 1 << 17])
def test_every_encoding_is_told_and_decoded_exactly(
    tmp_path: Path, text: str, codec: str, expected: str, chunk: int
) -> None:
    """Each encoding is recognised without a contract, and gives the text without its marks."""
    found = judged(tmp_path, text.encode(codec))
    found.chunk = chunk
    assert found.encoding == expected
    assert b"".join(found.chunks()).decode() == text.lstrip("\ufeff")


@pytest.mark.parametrize(
    ("text", "codec", "family"),
    [
        (SIMPLIFIED, "gb18030", "gb18030"),
        (TRADITIONAL, "cp950", "big5"),
        (TRADITIONAL + "3,陳啲嘅,鰂魚涌邨\n", "big5hkscs", "big5"),
        (SIMPLIFIED, "utf-16", "utf-16"),
        (SIMPLIFIED, "utf-8-sig", "utf-8"),
        (WESTERN, "cp1252", "cp1252"),
    ],
)
def test_the_contract_names_families(tmp_path: Path, text: str, codec: str, family: str) -> None:
    """An accepted family is read; any other list refuses the file and says what it is."""
    judged(tmp_path, text.encode(codec), feed(family))
    others = [f for f in ("utf-8", "gb18030", "big5", "utf-16", "cp1252") if f != family]
    error = refused(tmp_path, text.encode(codec), feed(*others))
    assert error.reason == "encoding_not_accepted"
    assert f"the text is {family}" in str(error)


def test_a_short_file_is_told_by_how_frequent_its_characters_are(tmp_path: Path) -> None:
    """One row of Big5 decodes as GB18030 too, but into rare characters."""
    data = "a,b\n1,高雄市鼓山區農業設備登記\n".encode("cp950")
    assert data.decode("gb18030")
    assert judged(tmp_path, data).encoding == "cp950"


def test_what_cannot_be_told_is_refused_by_both_names(tmp_path: Path) -> None:
    """Two frequent characters in either encoding: only a contract that takes one decides."""
    pair = next(
        bytes((lead, trail))
        for lead in range(0xB0, 0xC0)
        for trail in range(0xA1, 0xFF)
        if _frequent_in_both(tmp_path, bytes((lead, trail)))
    )
    error = refused(tmp_path, b"a,b\n1," + pair + b"\n", None)
    assert error.reason == "ambiguous_encoding"
    assert "GB18030 or Big5" in str(error)
    titles = ("a", "b")
    only = judged(tmp_path, b"a,b\n1," + pair + b"\n", feed("utf-8", "big5", titles=titles))
    assert only.encoding == "cp950"
    both = feed("gb18030", "big5", titles=titles)
    assert refused(tmp_path, b"a,b\n1," + pair + b"\n", both).reason == "ambiguous_encoding"


def _frequent_in_both(tmp_path: Path, pair: bytes) -> bool:
    try:
        judged(tmp_path, b"a,b\n1," + pair + b"\n")
    except DeliveryError as error:
        return "GB18030 or Big5" in str(error)
    return False


@pytest.mark.parametrize("codec", ["gb18030", "cp950"])
def test_titles_of_the_contract_decide_a_short_file(tmp_path: Path, codec: str) -> None:
    """A header that the contract knows is better evidence than any count."""
    data = "编号,姓名\n".encode("gb18030") if codec == "gb18030" else "編號,姓名\n".encode("cp950")
    contract = feed("gb18030", "big5", titles=("编号", "姓名", "編號"))
    assert judged(tmp_path, data, contract).encoding == codec


def test_one_stray_byte_beyond_the_first_megabyte_is_named(tmp_path: Path) -> None:
    """A UTF-8 file with a foreign byte is refused by offset and line, never read as GB18030."""
    rows = [f"{n},平定县冠山镇,娘子关" for n in range(40_000)]
    good = "\n".join(rows[:35_000]).encode() + b"\n9,"
    assert len(good) > 1 << 20
    data = good + b"\x92" + "\n".join(rows).encode()
    error = refused(tmp_path, data)
    assert error.reason == "undecodable"
    assert f"offset {len(good)}, line 35001" in str(error)
    assert "99.99" in str(error)


def test_rows_of_two_encodings_are_refused(tmp_path: Path) -> None:
    """A UTF-8 export with GBK rows appended is no file of either encoding."""
    data = (SIMPLIFIED * 5).encode() + SIMPLIFIED.encode("gb18030")
    assert refused(tmp_path, data).reason == "undecodable"


def test_bytes_of_no_encoding_are_refused(tmp_path: Path) -> None:
    """What no codec takes is refused with the places where each gives up."""
    error = refused(tmp_path, SIMPLIFIED.encode("gb18030") + b"3,\xff\xff\xff,\n")
    assert error.reason == "undecodable"
    assert "GB18030 (invalid byte at offset" in str(error)
    odd = SIMPLIFIED.encode("utf-16")[:-1]
    assert refused(tmp_path, odd).reason == "undecodable"


@pytest.mark.parametrize(
    ("text", "codec"),
    [
        (SIMPLIFIED, "utf-8"),
        (SIMPLIFIED, "utf-16"),
        (SIMPLIFIED, "gb18030"),
        ("a,b\n1,陈大文李小明平定县冠山镇", "gb18030"),
        (TRADITIONAL.replace("區\n", "市"), "cp950"),
    ],
)
def test_a_file_cut_within_a_character_is_no_other_encoding(
    tmp_path: Path, text: str, codec: str
) -> None:
    """Half an upload is refused at its end, never read as what takes the odd byte."""
    assert refused(tmp_path, text.rstrip("\n").encode(codec)[:-1]).reason == "undecodable"


def test_a_large_gb18030_file_is_held_to_its_last_byte(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Judged on pieces, decoded strictly: a bad byte between the pieces still refuses the file."""
    monkeypatch.setattr(legacy, "SAMPLED", 1 << 16)
    monkeypatch.setattr(legacy, "PIECE", 1 << 10)
    row = "1,陈大文,平定县冠山镇\n".encode("gb18030")
    good = SIMPLIFIED.encode("gb18030") + row * 5000
    found = judged(tmp_path, good)
    assert (found.encoding, "pieces of the file" in found.evidence) == ("gb18030", True)
    assert b"".join(found.chunks()).decode("utf-8").encode("gb18030") == good
    at = len(good) - 1500
    at = good.index(b"\n", at) + 1
    bad = good[:at] + b"\xff" + good[at:]
    assert f"offset {at}, line" in str(refused(tmp_path, bad))


def test_the_evidence_holds_counts_and_no_text(tmp_path: Path) -> None:
    """Why an encoding was chosen is said without a character of the file."""
    for text, codec in ((SIMPLIFIED, "gb18030"), (TRADITIONAL, "cp950"), (WESTERN, "cp1252")):
        evidence = judged(tmp_path, text.encode(codec)).evidence
        assert "not UTF-8" in evidence
        assert not set(evidence) & set("陈陳大文平定ü编號姓名")


def test_an_nul_padded_file_is_no_utf16(tmp_path: Path) -> None:
    """NULs alone are no evidence: fields padded with them are still UTF-8."""
    padded = "".join(f"{n},{'ab'.ljust(12, chr(0))},x\n" for n in range(99))
    assert judged(tmp_path, padded.encode()).encoding == "utf-8"
