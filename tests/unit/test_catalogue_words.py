"""The word ``catalogue`` of a contract: what fits, what does not, and items nobody supplies yet."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from dagster_project.contracts import load
from dagster_project.contracts.catalogue import CYCLES, catalogued, is_credit_code, table_level
from dagster_project.contracts.model import Contracts
from tests.schemas_kit import SCHEMAS, copy_feeds

ENTRY = "{code: 303005/000001, shareType: '2', updateCycle: 每季度}"
DRAFT = """\
apiVersion: v3.1.0
kind: DataContract
id: countylake.feeds.subsistence
name: 低保对象
version: 0.1.0
status: draft
slaProperties:
  - {property: frequency, value: 1, unit: m}
customProperties:
  - {property: department, value: {code: minzheng, name: 民政局}}
  - {property: delivery, value: full}
  - property: catalogue
    value: {code: 301001/000001, shareType: '2', updateCycle: 每月}
schema:
  - name: subsistence
    businessName: 低保对象
    logicalType: object
    properties:
      - {name: household_no, businessName: 户编号, logicalType: string, classification: L2}
"""


@pytest.fixture
def schemas(tmp_path: Path) -> Path:
    """A folder of contracts that a test may change: three feeds and the code lists."""
    return copy_feeds(tmp_path, ("asset", "collective_org", "division"))


def with_entry(schemas: Path, entry: str) -> Contracts:
    """The contracts when ``asset`` says this of its entry."""
    path = schemas / "feeds" / "asset.yaml"
    text = path.read_text("utf-8")
    assert ENTRY in text
    path.write_text(text.replace(ENTRY, entry), "utf-8")
    return load(schemas)


@pytest.mark.parametrize(
    ("entry", "says"),
    [
        ("{code: 303005/000001, shareType: '3', updateCycle: 每季度}", "names no ground; add"),
        ("{code: 303005/000001, shareType: '2', updateCycle: 每月}", "every 1 quarter; make the"),
        ("{code: 303005/000001, shareType: '4', updateCycle: 每季度}", "use one of: 1, 2, 3"),
        (
            ENTRY.replace("}", ", providerCode: 91350100M000100Y44}"),
            "wrong check character",
        ),
        (
            ENTRY.replace("}", ", published: '2026-02-30'}"),
            "which is no day",
        ),
        (
            ENTRY.replace("}", ", related: [303005/000001]}"),
            "names the entry itself",
        ),
        ("{code: 303001/000001, shareType: '2', updateCycle: 每季度}", "is that of"),
    ],
)
def test_what_does_not_fit_is_said_in_a_sentence(schemas: Path, entry: str, says: str) -> None:
    """Ground, cycle, numbers, days and repeated codes are judged, each with its line."""
    problems = [str(problem) for problem in with_entry(schemas, entry).problems]
    assert len(problems) == 1
    assert says in problems[0]


def test_a_table_with_personal_columns_is_not_opened(schemas: Path) -> None:
    """The open attribute of a table is held against its most sensitive column."""
    path = schemas / "feeds" / "collective_org.yaml"
    text = path.read_text("utf-8")
    path.write_text(text.replace("shareType: '1',", "shareType: '1', open: '1',"), "utf-8")
    problems = [str(problem) for problem in load(schemas).problems]
    assert any("`open` opens a table that has columns of level L3 or L4" in p for p in problems)


def test_an_entry_with_every_word_is_read(schemas: Path) -> None:
    """Every word of the core metadata arrives, typed."""
    contracts = with_entry(
        schemas,
        "{code: 303005/000001, shareType: '2', shareCondition: 履行职责需要, shareMode: '1',"
        " open: '3', updateCycle: 每季度, providerCode: 91350100M000100Y43,"
        " published: '2026-11-01', related: [303006/000001], required: false}",
    )
    assert contracts.problems == ()
    words = catalogued(contracts.feeds["asset"])
    assert (words.share_condition, words.share_mode, words.open_type) == ("履行职责需要", "1", "3")
    assert (words.provider_code, words.published) == ("91350100M000100Y43", "2026-11-01")
    assert (words.related, words.required) == (("303006/000001",), False)
    assert catalogued(contracts.feeds["collective_org"]).required


def test_an_item_that_nobody_supplies_is_catalogued_and_does_not_flow(schemas: Path) -> None:
    """A draft needs no servers and no key, and is no feed."""
    (schemas / "feeds" / "subsistence.yaml").write_text(DRAFT, "utf-8")
    contracts = load(schemas)
    assert contracts.problems == ()
    assert "subsistence" not in contracts.feeds
    draft = contracts.drafts["subsistence"]
    assert (draft.status, draft.servers, table_level(draft.columns)) == ("draft", (), "L2")
    (schemas / "feeds" / "subsistence.yaml").write_text(DRAFT.replace("draft", "active"), "utf-8")
    assert any("lacks `servers`; add it" in str(problem) for problem in load(schemas).problems)


def test_the_schema_s_words_are_those_of_the_code_lists() -> None:
    """The closed schema and the published code lists never drift apart."""
    words = json.loads((SCHEMAS / "contract.schema.json").read_bytes())["$defs"]["catalogue"]
    codes = load(SCHEMAS).codes
    for word, name in (("shareType", "share_type"), ("shareMode", "share_mode")):
        assert tuple(words["properties"][word]["enum"]) == codes[name].codes
    assert tuple(words["properties"]["open"]["enum"]) == codes["open_type"].codes
    cycles = [entry.title for entry in codes["update_cycle"].entries]
    assert words["properties"]["updateCycle"]["enum"] == cycles == list(CYCLES)


def test_a_credit_code_is_judged_by_its_check_character() -> None:
    """GB 32100: position, weight and the last character."""
    assert is_credit_code("91350100M000100Y43")
    assert not is_credit_code("91350100M000100Y34")
    assert not is_credit_code("91350100M000100Y4")
    assert not is_credit_code("91350100I000100Y43")
