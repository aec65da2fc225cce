"""``items.yaml``: read with its sources in order, refused in sentences; repeated collection."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from dagster_project.contracts import load
from dagster_project.contracts.entities import DataItems
from dagster_project.contracts.items import problems, read_items
from dagster_project.contracts.model import CodeList, Column, Contracts, Feed, Problem
from dagster_project.paths import schemas_dir
from tests.conform_kit import CODES, feed_of
from tests.items_kit import CHANGED, CIVIL, FEEDS, KEY, NAME, POLICE, SEX, item_of, person

GOOD = """\
version: 1.0.0
entities:
  person:
    title: 自然人
    key: id_no
    feeds: {police: id_no, civil: id_no}
    items:
      name:
        title: 姓名
        sources: [police.name, civil.name]
      sex:
        title: 性别
        sources:
          - civil.sex
          - {column: police.sex, blank: true}
"""


def read(
    folder: Path, text: str, feeds: Sequence[Feed] = tuple(FEEDS.values())
) -> tuple[DataItems, list[Problem]]:
    """What an ``items.yaml`` of this text says, and what is wrong with it."""
    (folder / "items.yaml").write_text(text, encoding="utf-8")
    found: list[Problem] = []
    codes: dict[str, CodeList] = CODES
    return read_items(folder, {feed.name: feed for feed in feeds}, codes, found), found


def test_an_entity_is_read_with_its_sources_in_order(tmp_path: Path) -> None:
    """Each item has its origin beside it; the key comes first."""
    items, wrong = read(tmp_path, GOOD)
    assert wrong == []
    entity = items.entities["person"]
    assert [str(one) for one in entity.items[1].sources] == ["civil.sex", "police.sex"]
    assert entity.items[1].sources[1].blank
    assert [column.name for column in entity.columns][:6] == [
        *("id_no", "name", "name_source", "name_batch_id", "name_sheet", "name_source_row")
    ]
    assert entity.items[1].column.codes == "sex"


def test_an_item_is_guarded_as_its_most_personal_source(tmp_path: Path) -> None:
    """One department's L4 with a mask makes the item L4 with that mask."""
    secret = replace(NAME, level="L4", mask="drop")
    civil = replace(CIVIL, columns=(KEY, secret, SEX, CHANGED))
    items, _ = read(tmp_path, GOOD, (POLICE, civil))
    column = items.entities["person"].items[0].column
    assert (column.level, column.mask, column.title) == ("L4", "drop", "姓名")


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        ("police.name,", "nobody.name,", "there is no feed `nobody`"),
        ("police.name,", "police.nickname,", "police has no column `nickname`"),
        ("civil: id_no}", "civil: cert_no}", "civil has no column `cert_no`"),
        (", civil: id_no}", "}", "nothing says where civil holds the key; add it under `feeds`"),
        ("police: id_no,", "police: changed_at,", "the key of `person` has several types"),
        ("civil.name]", "civil.died]", "it is string but `civil.died` is date; make the types"),
        ("civil.name]", "civil.sex]", "`civil.sex` supplies `name` and `sex`"),
        ("police.name,", "police.sex,", "`police.sex` supplies `name` and `sex`"),
        ("civil.name]", "police.changed_at]", "police is named as a source twice"),
        ("  person:", "  police:", "has the name of a feed"),
        ("      name:", "      id_no:", "needs the column `id_no`, as does the key"),
        ("      name:", "      order:", "is a word that SQL keeps for itself"),
        ("blank: true", "blank: maybe", "write true or false"),
        ("blank: true", "unknown: true", "`unknown` is no word of"),
        ("blank: true", "map: {'1': '7', '*': '2'}", "is mapped to 7, which the code list sex"),
        ("blank: true", "map: {'1': '1'}", "lacks 0, 2; add them, or `'*'` for all others"),
        ("title: 性别", "title: 性别\n        codes: nothing", "there is no code list `nothing`"),
        ("title: 性别", "title: 性别\n        codes: grade", "has the code list sex, the item has"),
        ("version: 1.0.0", "version: 1", "`version`"),
        ("version: 1.0.0", "version: [", "this is not valid YAML"),
    ],
)
def test_what_does_not_fit_is_said_with_its_line(
    tmp_path: Path, old: str, new: str, sentence: str
) -> None:
    """The entity is left out, the sentence says what to change."""
    assert old in GOOD
    items, wrong = read(tmp_path, GOOD.replace(old, new, 1))
    assert "person" not in items.entities
    assert sentence in " ".join(str(problem) for problem in wrong)
    assert all(problem.line >= 1 for problem in wrong)


def test_a_bad_entity_stops_neither_feeds_nor_other_entities(tmp_path: Path) -> None:
    """All feeds load, and so does the entity beside the bad one."""
    other = GOOD.partition("entities:\n")[2].replace("  person:", "  resident:")
    text = GOOD.replace("police.name,", "police.nickname,") + other
    items, wrong = read(tmp_path, text)
    assert list(items.entities) == ["resident"]
    assert len(wrong) == 1


def test_the_checkout_declares_what_its_feeds_share() -> None:
    """The shipped file loads, and nothing is collected twice without a word."""
    contracts = load(schemas_dir())
    assert contracts.items.entities
    assert problems(contracts) == []


def contracts_of(*feeds: Feed, items: DataItems | None = None) -> Contracts:
    """Contracts of these feeds."""
    return Contracts({feed.name: feed for feed in feeds}, {}, CODES, items=items or DataItems())


ID = replace(KEY, format="resident_id")


def register(name: str, department: str, *columns: Column) -> Feed:
    """A feed keyed by resident ids."""
    made = feed_of(ID, *columns, CHANGED, name=name, order_by="changed_at")
    return replace(made, department_code=department, department_name=f"{department}局")


@pytest.mark.parametrize(
    ("left", "right"),
    [
        (Column("name", "姓名", "string"), Column("full_name", "姓名", "string")),
        (Column("name", "姓名", "string"), Column("n", "名字", "string", aliases=("姓名",))),
        (
            Column("tel", "电话", "string", format="phone"),
            Column("t", "手机", "string", format="phone"),
        ),
        (Column("sex", "性别", "string", codes="sex"), Column("s", "男女", "string", codes="sex")),
    ],
)
def test_the_same_item_of_two_departments_is_repeated_collection(
    left: Column, right: Column
) -> None:
    """Told once, with both departments, both columns and what to do."""
    found = problems(contracts_of(register("a", "甲", left), register("b", "乙", right)))
    assert len(found) == 1
    for part in ("甲局", "乙局", f"a.{left.name}", f"b.{right.name}", "items.yaml", "separate"):
        assert part in found[0].sentence


def test_what_is_declared_or_of_one_department_is_not_repeated() -> None:
    """An item, a pair said to be different, one department's two feeds, other things."""
    one, other = register("a", "甲", NAME), register("b", "乙", NAME)
    item = item_of(NAME, "a", "b")
    assert problems(contracts_of(one, other))
    assert not problems(contracts_of(one, register("b", "甲", NAME)))
    entity = person(item)
    assert not problems(contracts_of(one, other, items=DataItems({"person": entity})))
    apart = DataItems(separate=frozenset({frozenset({"a.name", "b.name"})}))
    assert not problems(contracts_of(one, other, items=apart))
    flag = Column("flag", "是否", "string", codes="yes_no")
    assert not problems(
        contracts_of(register("a", "甲", flag), register("b", "乙", replace(flag, title="已否")))
    )
    assert not problems(contracts_of(POLICE, CIVIL))  # their keys say nothing of what they are


def test_a_feed_that_mentions_persons_does_not_collect_them_again() -> None:
    """A register of houses names owners; its own columns are about houses."""
    house = feed_of(
        Column("house", "房屋", "string"), Column("owner", "产权人", "string"), SEX, name="house"
    )
    house = replace(house, department_code="zhujian")
    one = register("a", "甲", NAME, SEX)
    item = replace(item_of(NAME, "a", "house"))
    entity = replace(person(item), feeds={"a": "id_no", "house": "owner"})
    assert not problems(contracts_of(one, house, items=DataItems({"person": entity})))
