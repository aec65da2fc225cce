"""Inference on profiles: what is concluded from which counts, without a file."""

from __future__ import annotations

from typing import Any

import pytest

from dagster_project.contracts import load
from dagster_project.contracts.inference import (
    Dictionary,
    Draft,
    Heading,
    TableProfile,
    Vocabulary,
    contract,
    inferred,
    loosened,
)
from dagster_project.contracts.inference.profiles import (
    ColumnProfile,
    KeyCandidate,
    Shape,
    SourceColumn,
)
from dagster_project.contracts.inference.vocabulary import slug
from dagster_project.errors import ContractError
from dagster_project.paths import PROJECT

SCHEMAS = PROJECT / "schemas"
WORDS = Vocabulary.at(SCHEMAS)
ROWS = 100


@pytest.fixture(scope="module")
def dictionary() -> Dictionary:
    """The checkout's contracts and code lists."""
    return Dictionary.of(load(SCHEMAS))


def column(title: str, *, filled: int = ROWS, distinct: int = ROWS, **words: Any) -> ColumnProfile:
    """A column of a hundred rows; ``fits`` and ``shape`` as said."""
    shape = Shape(
        **{"shortest": 4, "longest": 8, "wide": 8, "parts": (4, 6, 8)} | words.pop("shape", {})
    )
    return ColumnProfile(title, ROWS, filled, distinct, filled, shape, **words)


def draft(
    dictionary: Dictionary, *columns: ColumnProfile, key: tuple[str, ...] = (), **words: Any
) -> Draft:
    """The draft of a table whose first column is unique."""
    number = column("序列", shape={"letters": 1.0})
    table = TableProfile((number, *columns), ROWS, ROWS, (KeyCandidate(("序列",), 1.0),))
    return inferred(table, dictionary, WORDS, key=key, **words)


DIGITS = {"digits": 1.0, "figures": 1.0, "wide_share": 1.0}
NUMBERS = {"integer": 100, "decimal": 100}
HAN = {"han": 1.0}
MONTHS = r"^(19|20)\d{2}(0[1-9]|1[0-2])$"
CARD = {**DIGITS, "luhn": 1.0, "longest": 19}
YES = {"是": 60, "否": 40}
SEXES = {"男": 50, "女": 50}
RATE = {"fits": {"decimal": 100}, "scale": 4, "least": "0.1", "most": "0.99"}


@pytest.mark.parametrize(
    ("title", "counted", "wanted"),
    [
        ("件数", {"fits": NUMBERS, "shape": DIGITS}, {"type": "integer"}),
        ("补贴额度", {"fits": {"decimal": 100}, "scale": 2}, {"type": "decimal"}),
        ("补贴金额", {"fits": NUMBERS}, {"type": "decimal", "unit": "元"}),
        ("事由编号", {"fits": NUMBERS, "shape": {**DIGITS, "zeros": 0.5}}, {"type": "string"}),
        ("物资", {"fits": NUMBERS, "shape": {**DIGITS, "longest": 19}}, {"type": "string"}),
        ("编制日期", {"fits": {"date": 99, "timestamp": 99}}, {"type": "date"}),
        (
            "编制时刻",
            {"fits": {"date": 99, "timestamp": 99}, "shape": {"timed": 0.9}},
            {"type": "timestamp"},
        ),
        (
            "有效期限",
            {"fits": {"date": 99}, "repairs": {"date.open_end": 3}},
            {"type": "date", "open_end": True},
        ),
        ("账期", {"fits": {"date": 100}, "shape": {"months": 1.0}}, {"pattern": MONTHS}),
        ("办证否", {"words": YES, "distinct": 2}, {"type": "boolean", "codes": "yes_no"}),
        ("性别", {"words": SEXES, "distinct": 2}, {"codes": "sex", "level": "L2"}),
        ("发放对象", {"fits": {"resident_id": 97}}, {"format": "resident_id", "level": "L4"}),
        ("打卡", {"shape": CARD}, {"level": "L4", "mask": "account"}),
        ("诊断结论", {"shape": HAN}, {"level": "L4", "mask": "drop", "textual": True}),
        ("家庭住址", {"shape": HAN}, {"level": "L3", "mask": "address", "textual": True}),
        ("办结率", RATE, {"share": "ratio", "minimum": "0", "maximum": "1"}),
        ("停办日期", {"filled": 0, "distinct": 0}, {"type": "date", "required": False}),
    ],
)
def test_a_column_is_what_its_cells_and_its_title_say(
    dictionary: Dictionary, title: str, counted: dict[str, Any], wanted: dict[str, Any]
) -> None:
    """Types, formats, lists, levels and masks follow from counts and titles."""
    guess = draft(dictionary, column(title, **counted)).columns[1]
    assert {word: getattr(guess.column, word) for word in wanted} == wanted, guess.why
    assert guess.why


def test_bare_figures_are_of_no_list_unless_the_title_says_so(dictionary: Dictionary) -> None:
    """The codes 1, 2 and 3 are in many lists; none is chosen for a title that tells nothing."""
    plain = column("备用", words={"1": 50, "2": 30, "3": 20}, distinct=3,
                   fits={"integer": 100, "decimal": 100}, shape=DIGITS)  # fmt: skip
    guess = draft(dictionary, plain).columns[1]
    assert not guess.column.codes


def test_an_empty_cell_or_few_rows_require_nothing(dictionary: Dictionary) -> None:
    """Required is only what was never empty in a sufficient sample."""
    made = draft(dictionary, column("摘抄", shape={"han": 1.0}), column("批语", filled=99))
    assert [g.column.required for g in made.columns] == [True, True, False]


def test_nothing_unique_is_refused_with_advice(dictionary: Dictionary) -> None:
    """A table without a key is refused; a surrogate is advised against."""
    table = TableProfile((column("甲"), column("乙")), ROWS, ROWS, (KeyCandidate(("甲",), 0.4),))
    with pytest.raises(ContractError, match=r"tells the rows apart.*甲 with 40 %.*--key"):
        inferred(table, dictionary, WORDS)
    named = inferred(table, dictionary, WORDS, key=("甲", "乙"))
    assert [g.column.key_position for g in named.columns] == [1, 2]
    with pytest.raises(ContractError, match="no column 丙"):
        inferred(table, dictionary, WORDS, key=("丙",))


def test_a_number_of_its_own_is_preferred_to_a_personal_one(dictionary: Dictionary) -> None:
    """Where several columns are unique, the business number is the key, not the citizen's."""
    columns = (column("身份证号", fits={"resident_id": 100}), column("登记编号"))
    keys = tuple(KeyCandidate((one.title,), 1.0) for one in columns)
    made = inferred(TableProfile(columns, ROWS, ROWS, keys), dictionary, WORDS)
    assert [g.column.title for g in made.columns if g.column.is_key] == ["登记编号"]


def test_a_row_number_is_no_key_where_something_else_is(dictionary: Dictionary) -> None:
    """The next file gives 序号 1 to somebody else; alone it is taken, with a question."""
    columns = (column("序号"), column("身份证号", fits={"resident_id": ROWS}))
    keys = tuple(KeyCandidate((one.title,), 1.0) for one in columns)
    made = inferred(TableProfile(columns, ROWS, ROWS, keys), dictionary, WORDS)
    assert [g.column.title for g in made.columns if g.column.is_key] == ["身份证号"]
    alone = inferred(TableProfile(columns[:1], ROWS, ROWS, keys[:1]), dictionary, WORDS)
    assert "place in the file" in alone.columns[0].ask


def test_a_database_says_key_title_and_what_is_never_null(dictionary: Dictionary) -> None:
    """A source's own key, comments and NOT NULL are taken; comments are titles."""
    said = SourceColumn("sfzh", "varchar", nullable=False, key_position=1, comment="身份证号")
    profile = column("sfzh", fits={"resident_id": 100}, source=said)
    made = draft(dictionary, profile)
    guess = made.columns[1].column
    assert (guess.name, guess.title, guess.aliases) == ("id_no", "身份证号", ("sfzh",))
    assert (guess.is_key, guess.required, guess.level) == (True, True, "L4")


def test_names_come_from_contracts_then_words_and_never_twice(dictionary: Dictionary) -> None:
    """A known title keeps its name, words make others, the rest are numbered and asked about."""
    columns = [
        column(t) for t in ("审批角色", "业主电话", "Update Time", "犇羴", "业主手机", "order")
    ]
    made = [g.column.name for g in draft(dictionary, *columns).columns[1:]]
    assert made == ["role", "owner_phone", "update_time", "c05", "owner_mobile", "order_value"]
    assert slug("2023") == ""


def test_loosening_takes_away_our_own_bounds_only(dictionary: Dictionary) -> None:
    """A bound that rejects many rows is left out; a few wrong cells stay rejected."""
    made = draft(
        dictionary,
        column("家庭住址", shape={"han": 1.0}),
        column("身份证号", fits={"resident_id": 97}),
    )
    name = made.columns[1].column.name
    loose, said = loosened(made, {f"{name}.length": 0.2, "id_no.format": 0.03})
    assert loose.columns[1].column.max_length == 0
    assert loose.columns[2].column.format == "resident_id"
    assert len(said) == 1


def test_the_text_has_the_order_of_other_contracts_and_few_comments(dictionary: Dictionary) -> None:
    """A contract is written in the house's order; comments stand where somebody must decide."""
    made = draft(dictionary, column("补贴金额", fits={"decimal": 100}, scale=2), column("犇羴"))
    server = {"server": "inbox", "type": "local", "path": "民政局/补贴_*.csv", "format": "csv"}
    text = contract(Heading("grants", "补贴", "minzheng", "民政局", "full", (server,)), made)
    words = [line.partition(":")[0] for line in text.splitlines() if line[:1].isalpha()]
    assert words == ["apiVersion", "kind", "id", "name", "version", "status", "team", "servers",
                     "slaProperties", "customProperties", "schema"]  # fmt: skip
    assert sum("#" in line for line in text.splitlines()) <= 6
    assert "# the name wants a better word" in text
