"""One mistake in one contract: refused with file, line and a sentence; the others load."""

from __future__ import annotations

from pathlib import Path

import pytest

from dagster_project.contracts import load
from tests.schemas_kit import FEEDS, UNTOUCHED, Wrong, copy_feeds, problems_of, spoil

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
