"""Wrong contracts: each is refused with file, line and a sentence, and the others still load."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import NamedTuple

import pytest

from dagster_project.contracts import feed_order, load
from dagster_project.contracts.model import Contracts, Problem
from tests.schemas_kit import SCHEMAS, copy_feeds

UNTOUCHED = {"division", "collective_org", "bank_account"}
OTHERS = ("grid", "std_address", "house", "population", "asset", "resource", "payment", "contract")
FEEDS = (*UNTOUCHED, *OTHERS)


class Wrong(NamedTuple):
    """One mistake: ``old`` becomes ``new``; the problem stands at the line of ``at``."""

    feed: str
    old: str
    new: str
    at: str
    says: str


MISTAKES = {
    "unknown word": Wrong(
        "asset", "property: delivery", "property: delivry", "delivry", "is `delivry`; use one of"
    ),
    "unknown key": Wrong(
        "asset", "status: active", "status: active\nstatuss: x", "statuss", "`statuss` is no word"
    ),
    "missing key": Wrong("asset", "kind: DataContract\n", "", "apiVersion", "lacks `kind`; add it"),
    "not yaml": Wrong(
        "asset", "domain: three_assets", "domain: [three", "description:", "not valid YAML"
    ),
    "key written twice": Wrong(
        "asset",
        "domain: three_assets",
        "domain: three_assets\ndomain: b",
        "domain: b",
        "`domain` is written twice",
    ),
    "unknown type": Wrong(
        "asset",
        "name: acquire_date\n        businessName: 取得日期\n        logicalType: date",
        "name: acquire_date\n        businessName: 取得日期\n        logicalType: day",
        "logicalType: day",
        "is `day`; use one of: string",
    ),
    "unknown code list": Wrong(
        "asset",
        "value: asset_state",
        "value: asset_stat",
        "name: state",
        "no code list `asset_stat`; add schemas/codes/asset_stat.csv",
    ),
    "unknown format": Wrong(
        "payment", "value: resident_id", "value: passport", "value: passport", "is `passport`; use"
    ),
    "unknown feed": Wrong(
        "asset", "to: collective_org.org_code", "to: org.org_code", "name: org_code", "no such feed"
    ),
    "unknown parent column": Wrong(
        "asset",
        "to: collective_org.org_code",
        "to: collective_org.code",
        "name: org_code",
        "collective_org has no such column",
    ),
    "reference to no key": Wrong(
        "asset",
        "to: collective_org.org_code",
        "to: collective_org.name",
        "name: org_code",
        "not the key of collective_org",
    ),
    "reference to itself": Wrong(
        "asset", "to: collective_org.org_code", "to: asset.asset_no", "name: org_code", "own feed"
    ),
    "no key": Wrong(
        "asset",
        "        primaryKey: true\n        primaryKeyPosition: 1\n",
        "",
        "    properties:",
        "no column is the key",
    ),
    "key may be empty": Wrong(
        "asset",
        "        primaryKeyPosition: 1\n        required: true\n",
        "        primaryKeyPosition: 1\n",
        "name: asset_no",
        "may be empty; add `required: true`",
    ),
    "rule names no column": Wrong(
        "asset", "net = original_value - dep", "net = value - dep", "id: net_is", "names `value`"
    ),
    "rule is no sql": Wrong(
        "asset", "net = original_value - dep", "net = = dep", "id: net_is", "not one SQL expression"
    ),
    "rule gives no truth": Wrong(
        "asset", "net = original_value - dep", "net - dep", "id: net_is", "not true or false"
    ),
    "rule mixes types": Wrong(
        "asset", "net = original_value - dep", "substr(net, 1) = '1'", "id: net_is", "DuckDB cannot"
    ),
    "rule reads a clock": Wrong(
        "asset",
        "acquire_date <= CAST(:delivered_at AS DATE)",
        "acquire_date <= now()",
        "id: acquired_not",
        "beyond its row or at a clock",
    ),
    "rule aggregates": Wrong(
        "asset", "net = original_value - dep", "sum(net) > 0", "id: net_is", "beyond its row"
    ),
    "rule with another placeholder": Wrong(
        "asset", ":delivered_at", ":today", "id: acquired_not", "only `:delivered_at`"
    ),
    "rule written twice": Wrong(
        "asset",
        "id: acquired_not_in_future",
        "id: net_is_value_less_depreciation",
        "id: net_is_value_less_depreciation\n        type: custom\n        engine: countylake\n"
        "        dimension: accuracy",
        "is written twice; rename one",
    ),
    "personal without mask": Wrong(
        "payment",
        "          - {property: mask, value: name}\n",
        "",
        "name: payee_name",
        "level L3 needs a mask",
    ),
    "column described twice": Wrong(
        "asset",
        "- name: qty\n",
        "- name: name\n",
        "- name: name\n        businessName: 数量",
        "`name` is described twice",
    ),
    "header of two columns": Wrong(
        "asset", "value: [净值]", "value: [原值]", "name: net", "`原值` is a header of"
    ),
    "path out of the inbox": Wrong(
        "asset", "农业农村局/资产", "../资产", "path: '../", "leaves the inbox; write it relative"
    ),
    "absolute path": Wrong("asset", "农业农村局/资产", "/a/资产", "path: '/a", "leaves the inbox"),
    "path of another format": Wrong(
        "asset",
        "台账_*.xlsx",
        "台账_*.csv",
        "server: inbox",
        "does not end like a file of the format xlsx",
    ),
    "files of another feed": Wrong(
        "resource", "资源台账_*", "资产台账_*", "apiVersion", "also of feed `asset`"
    ),
    "order by no column": Wrong(
        "payment",
        "orderBy, value: update_time",
        "orderBy, value: updated",
        "customProperties:",
        "names `updated`, which is no column",
    ),
    "look-around in a pattern": Wrong(
        "grid", "'^[1-9]\\d{14}$'", "'^(?!0)\\d{15}$'", "name: grid_code", "not a regular"
    ),
    "limits exchanged": Wrong(
        "asset",
        "{minimum: 73, maximum: 136}",
        "{minimum: 136, maximum: 73}",
        "name: lon",
        "greater than `maximum`",
    ),
    "flag without spellings": Wrong(
        "asset", "value: yes_no", "value: asset_state", "name: is_operating", "not of 0 and 1"
    ),
    "another name inside": Wrong(
        "asset", "  - name: asset\n", "  - name: assets\n", "name: assets", "give both one name"
    ),
    "vanishing of an increment": Wrong(
        "payment",
        "  - {property: delivery, value: incremental}",
        "  - {property: delivery, value: incremental}\n  - {property: vanishing, value: 0.1}",
        "customProperties:",
        "`vanishing` is for full snapshots",
    ),
    "share above one": Wrong(
        "asset",
        "  - {property: delivery, value: full}",
        "  - {property: delivery, value: full}\n  - {property: vanishing, value: 5}",
        "vanishing, value: 5",
        "`vanishing`",
    ),
    "period of no column": Wrong(
        "asset",
        "  - {property: delivery, value: full}",
        "  - {property: delivery, value: full}\n"
        "  - {property: period, value: {column: acquired, pattern: YYYYMM}}",
        "customProperties:",
        "which is no column of this contract",
    ),
    "period of an amount": Wrong(
        "asset",
        "  - {property: delivery, value: full}",
        "  - {property: delivery, value: full}\n"
        "  - {property: period, value: {column: original_value, pattern: YYYYMM}}",
        "customProperties:",
        "which is no date of a record",
    ),
    "period written otherwise": Wrong(
        "asset",
        "  - {property: delivery, value: full}",
        "  - {property: delivery, value: full}\n"
        "  - {property: period, value: {column: acquire_date, pattern: MMYYYY}}",
        "pattern: MMYYYY",
        "is `MMYYYY`; use one of: YYYY",
    ),
    "place of no number": Wrong(
        "asset",
        "latitude: lat, within",
        "latitude: name, within",
        "customProperties:",
        "`coordinates` names `name`, which is no number",
    ),
    "rectangle turned over": Wrong(
        "asset",
        "within: [110.2, 34.5, 114.6, 40.8]",
        "within: [110.2, 40.8, 114.6, 34.5]",
        "customProperties:",
        "is not west, south, east, north",
    ),
    "share without limits": Wrong(
        "asset",
        "{property: unit, value: 元}",
        "{property: share, value: percent}",
        "name: original_value",
        "a share needs `minimum` and `maximum`",
    ),
    "open end of a number": Wrong(
        "asset",
        "{property: unit, value: 元}",
        "{property: openEnd, value: true}",
        "name: original_value",
        "`openEnd` is for dates, not for decimal",
    ),
    "month of a number": Wrong(
        "asset",
        "{property: unit, value: 元}",
        "{property: partial, value: month}",
        "name: original_value",
        "`partial` is for dates, not for decimal",
    ),
}


@pytest.fixture
def schemas(tmp_path: Path) -> Path:
    """A copy of feeds and code lists that may be spoilt."""
    return copy_feeds(tmp_path, FEEDS)


def spoil(schemas: Path, wrong: Wrong) -> int:
    """Make the mistake; gives the line where the problem is expected."""
    path = schemas / "feeds" / f"{wrong.feed}.yaml"
    text = path.read_text("utf-8")
    assert wrong.old in text
    text = text.replace(wrong.old, wrong.new, 1)
    path.write_text(text, "utf-8")
    return text[: text.index(wrong.at)].count("\n") + 1


def problems_of(contracts: Contracts, feed: str) -> list[Problem]:
    """The problems of one feed."""
    return [problem for problem in contracts.problems if f"/{feed}.yaml" in problem.path]


@pytest.mark.parametrize("wrong", MISTAKES.values(), ids=MISTAKES.keys())
def test_a_wrong_contract_is_refused_with_line_and_sentence(schemas: Path, wrong: Wrong) -> None:
    """File, line and what to change; the feed is gone, unrelated feeds are there."""
    line = spoil(schemas, wrong)
    contracts = load(schemas)
    found = problems_of(contracts, wrong.feed)
    assert [problem.line for problem in found] == [line], found
    assert wrong.says in found[0].sentence
    assert found[0].path == f"schemas/feeds/{wrong.feed}.yaml"
    assert wrong.feed not in contracts.feeds
    assert set(contracts.feeds) >= UNTOUCHED


def test_children_of_a_refused_parent_go_on(schemas: Path) -> None:
    """Payments are judged by the organisations that the lake holds, not by their contract."""
    spoil(schemas, Wrong("collective_org", "status: active", "status: old", "status", ""))
    contracts = load(schemas)
    assert "collective_org" not in contracts.feeds
    assert problems_of(contracts, "asset") == []
    reference = contracts.feeds["asset"].column("org_code").reference
    assert reference is not None
    assert reference.rejects
    assert set(feed_order(contracts)) == set(contracts.feeds)


def test_a_child_that_would_only_warn_still_loads(schemas: Path) -> None:
    """Persons load without houses; the reference waits until the other contract is mended."""
    spoil(schemas, Wrong("house", "value: house_usage", "value: nothing", "value", ""))
    contracts = load(schemas)
    assert "house" not in contracts.feeds
    assert contracts.feeds["population"].column("house_code").reference is None


def test_feeds_that_wait_for_one_another_are_refused(schemas: Path) -> None:
    """A circle of rejecting references has no first feed."""
    spoil(
        schemas,
        Wrong(
            "contract",
            "        description: 资产编号或地块编号。\n",
            "        relationships: [{type: foreignKey, to: payment.pay_no}]\n",
            "name",
            "",
        ),
    )
    contracts = load(schemas)
    assert {"contract", "payment"}.isdisjoint(contracts.feeds)
    assert all("in a circle" in p.sentence for p in problems_of(contracts, "contract"))
    assert "asset" in contracts.feeds


def test_a_rule_that_asks_a_refused_feed_waits(tmp_path: Path) -> None:
    """However a contract came to be refused, what asks its records is not refused with it."""
    folder = copy_feeds(tmp_path, (*FEEDS, "contract_due", "voucher_line"))
    old = "        description: 资产编号或地块编号。\n"
    circle = "        relationships: [{type: foreignKey, to: payment.pay_no}]\n"
    spoil(folder, Wrong("contract", old, circle, "name", ""))
    contracts = load(folder)
    assert "contract" not in contracts.feeds
    asked = {name for rule in contracts.feeds["contract_due"].table_rules for name in rule.inputs}
    assert "contract" in asked


def test_a_file_that_is_not_utf_8_is_refused(schemas: Path) -> None:
    """A contract saved as GB18030 is named, not half read."""
    path = schemas / "feeds" / "asset.yaml"
    path.write_bytes(path.read_text("utf-8").encode("gb18030"))
    (problem,) = problems_of(load(schemas), "asset")
    assert "UTF-8" in problem.sentence


def test_an_empty_file_is_refused(schemas: Path) -> None:
    """A file that holds nothing is no contract."""
    (schemas / "feeds" / "asset.yaml").write_text("", "utf-8")
    (problem,) = problems_of(load(schemas), "asset")
    assert "holds no contract" in problem.sentence


def test_a_folder_without_contracts_says_so(tmp_path: Path) -> None:
    """A wrong folder is a sentence, not a traceback."""
    contracts = load(tmp_path / "nowhere")
    assert contracts.feeds == {}
    assert "COUNTYLAKE_SCHEMAS" in contracts.problems[0].sentence


@pytest.mark.parametrize(
    ("text", "line", "says"),
    [
        ("code,title,synonyms,valid_from,valid_to\n1,男,,,\n", 1, "names no source"),
        ("# source: x\ncode,title\n1,男\n", 2, "the header is not"),
        ("# source: x\ncode,title,synonyms,valid_from,valid_to\n1,,,,\n", 3, "a code, a title"),
        ("# source: x\ncode,title,synonyms,valid_from,valid_to\n1,男,,5月,\n", 3, "not YYYY-MM-DD"),
        ("# source: x\ncode,title,synonyms,valid_from,valid_to\n", 2, "is empty"),
        (
            "# source: x\ncode,title,synonyms,valid_from,valid_to\n1,男,M,,\n2,女,M,,\n",
            4,
            "`M` is a spelling of `1` and of `2`",
        ),
    ],
)
def test_a_wrong_code_list_is_refused_with_its_line(
    schemas: Path, text: str, line: int, says: str
) -> None:
    """A list that could repair a cell to the wrong code is not used, and its columns are named."""
    (schemas / "codes" / "sex.csv").write_text(text, "utf-8")
    contracts = load(schemas)
    own = [problem for problem in contracts.problems if problem.path == "schemas/codes/sex.csv"]
    assert [(p.line, says in p.sentence) for p in own] == [(line, True)]
    assert "no code list `sex`" in problems_of(contracts, "population")[0].sentence


def test_every_lacking_key_is_named_once(schemas: Path) -> None:
    """A file that is far from a contract gives a few sentences, not one and the same ten times."""
    (schemas / "feeds" / "asset.yaml").write_text("name: 资产\n", "utf-8")
    (problem,) = problems_of(load(schemas), "asset")
    assert "lacks `apiVersion`, `kind`" in problem.sentence


@pytest.mark.parametrize(
    "server",
    [
        "{server: a, type: api, location: 'https://example:s3cret@h.example/x'}",
        (
            "{server: a, type: api, location: 'https://h.example/x',"
            " customProperties: [{property: credentials, value: s3cret}]}"
        ),
        "{server: a, type: api, location: 'https://h.example/x?access_token=s3cret'}",
        (
            "{server: a, type: api, location: 'https://h.example/x', customProperties:"
            " [{property: request, value: {parameters: {appKey: s3cret}}}]}"
        ),
        (
            "{server: a, type: custom, customProperties: [{property: channel, value: sqlalchemy},"
            " {property: table, value: t}, {property: url, value: 'oracle://h/?password=s3cret'}]}"
        ),
        "{server: a, type: custom, customProperties: [{property: table, value: s3cret}]}",
        (
            "{server: a, type: postgresql, host: 'u:s3cret@h', port: 1, database: d, schema: s,"
            " customProperties: [{property: table, value: t}]}"
        ),
    ],
)
def test_a_secret_in_a_contract_is_refused_and_not_repeated(tmp_path: Path, server: str) -> None:
    """Sentences about contracts are logged and published; the word and the line are enough."""
    found = broken(tmp_path, server)
    assert found
    assert "asset" in found[0].path
    assert not any("s3cret" in str(one) for one in found)


def broken(tmp_path: Path, server: str, head: str = "") -> tuple[Problem, ...]:
    """The problems of the checkout's contracts with another channel in one of them."""
    shutil.copytree(SCHEMAS, tmp_path / "schemas")
    path = tmp_path / "schemas" / "feeds" / "asset.yaml"
    lines = path.read_text(encoding="utf-8").splitlines()
    at = lines.index("servers:") + 1
    lines[at] = f"  - {server}" if server else lines[at]
    path.write_text("\n".join([head, *lines]), encoding="utf-8")
    return load(tmp_path / "schemas").problems


@pytest.mark.parametrize(
    ("head", "said"),
    [
        ("a: &a [x]\nb: &b [*a, *a]\nc: [*b, *b]", "is not followed here"),
        ("a: " + "[" * 100_000, "within one another"),
    ],
)
def test_a_small_file_cannot_become_an_endless_one(tmp_path: Path, head: str, said: str) -> None:
    """Aliases of aliases, and brackets without end, are told and not walked through."""
    assert said in str(broken(tmp_path, "", head)[0])
