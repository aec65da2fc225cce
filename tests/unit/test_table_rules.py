"""Rules of a feed's records together: read from contracts, refused in sentences, compiled."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from dagster_project.contracts import load
from dagster_project.contracts.tablesql import asked, breaking, uses_day
from dagster_project.contracts.wording import wordings
from dagster_project.paths import PROJECT

RULE = """      - id: {id}
        type: custom
        engine: countylake
        severity: fail
        dimension: consistency
        description: 测试用规则
        implementation: {form}
"""


@pytest.fixture(scope="module")
def schemas(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site's contracts, to be changed."""
    made = tmp_path_factory.mktemp("site") / "schemas"
    shutil.copytree(PROJECT / "schemas" / "codes", made / "codes")
    (made / "feeds").mkdir()
    for name in ("division", "collective_org", "grid", "voucher_line"):
        shutil.copy(PROJECT / "schemas" / "feeds" / f"{name}.yaml", made / "feeds")
    return made


def written(schemas: Path, form: str, policy: str = "") -> Path:
    """A copy of the contracts in which vouchers have one rule more."""
    copy = schemas.parent / f"copy{abs(hash((form, policy)))}" / "schemas"
    shutil.copytree(schemas, copy)
    contract = copy / "feeds" / "voucher_line.yaml"
    text = contract.read_text(encoding="utf-8")
    head, quality, tail = text.partition("    quality:\n")
    contract.write_text(
        head + quality + RULE.format(id="added", form=form) + tail
        if quality
        else text.rstrip() + "\n    quality:\n" + RULE.format(id="added", form=form),
        encoding="utf-8",
    )
    if policy:
        (copy / "quality.yaml").write_text(policy, encoding="utf-8")
    return copy


SOUND = {
    "unique": "{unique: [org_code, voucher_no]}",
    "group": "{group: [org_code, period, voucher_no], holds: sum(debit) = sum(credit)}",
    "sequence": "{sequence: voucher_no, group: [org_code, period]}",
    "records": "{records: 'SELECT v.org_code, v.period, v.voucher_no, v.line_no FROM"
    " silver.voucher_line AS v JOIN silver.collective_org AS o ON o.org_code = v.org_code"
    " WHERE v.debit > :limit AND o.reg_date > :day', parameters: {limit: 12.5}}",
}


@pytest.mark.parametrize("form", SOUND)
def test_every_form_is_read(schemas: Path, form: str) -> None:
    """Each form gives a rule of that form and SQL that reads live records of the lake."""
    feed = load(written(schemas, SOUND[form])).feeds["voucher_line"]
    (rule,) = (one for one in feed.table_rules if one.id == "added")
    assert rule.form == form
    assert uses_day(rule) == (form == "records")
    sql = breaking(feed, rule)
    assert "NOT _is_deleted" in sql
    assert asked(feed, rule).startswith("SELECT count(*)")
    if form == "records":
        assert "12.5" in sql
        assert rule.inputs == ("voucher_line", "collective_org")


UNSOUND = {
    "{unique: [nothing]}": "names `nothing`",
    "{group: [org_code]}": "needs one form",
    "{where: debit > 1}": "needs one form",
    "{group: [org_code], holds: sum(nothing) > 1}": "names `nothing`",
    "{group: [org_code], holds: max(now()) > 1}": "looks at a clock",
    "{unique: [org_code], holds: sum(debit) > 1}": "`holds` is for groups",
    "{unique: [org_code], where: debit > :limit}": "`:limit`",
    "{records: 'SELECT 1 AS one FROM silver.voucher_line'}": "it must give",
    "{records: 'DELETE FROM silver.voucher_line'}": "not one SELECT",
    "{records: 'SELECT org_code FROM ops.batch'}": "only `silver.<feed>`",
    "{records: 'SELECT * FROM silver.voucher_line'}": "holds a star",
    "{records: \"SELECT org_code FROM read_csv('/etc/passwd')\"}": "only `silver.<feed>`",
    "{unique: [org_code], where: debit > :day, parameters: {day: 1}}": "filled in by the programme",
    "{unique: [org_code], extra: 1}": "`extra` is no word",
    "{group: [org_code], holds: sum(summary) = 1}": "DuckDB cannot evaluate",
    "{unique: [org_code], group: [period], holds: count(*) = 1}": "write two rules",
    "{unique: [org_code], parameters: {limit: 1}}": "use the threshold or leave it out",
    "{unique: [org_code], where: debit > :limit, parameters: {limt: 1, limit: 2}}": "`:limt`",
    "{records: 'SELECT v.org_code FORM silver.voucher_line AS v'}": 'near "silver"',
    "{unique: org_code}": "write a list",
}


@pytest.mark.parametrize("form", UNSOUND)
def test_an_unsound_rule_is_refused_in_a_sentence(schemas: Path, form: str) -> None:
    """The sentence names the contract's line; every other feed still loads."""
    found = load(written(schemas, form))
    told = [str(one) for one in found.problems]
    assert any(UNSOUND[form] in one and "voucher_line.yaml:" in one for one in told), told
    assert "voucher_line" not in found.feeds
    assert "grid" in found.feeds


def test_thresholds_are_changed_by_the_policy(schemas: Path) -> None:
    """A threshold of quality.yaml stands in the SQL; the feed's hash follows it."""
    form = "{group: [org_code], holds: 'sum(debit) < :limit', parameters: {limit: 7}}"
    usual = load(written(schemas, form)).feeds["voucher_line"]
    policy = "thresholds: {voucher_line.added: {limit: 9}}\n"
    changed = load(written(schemas, form, policy)).feeds["voucher_line"]
    assert [next(r.holds for r in f.table_rules if r.id == "added") for f in (usual, changed)] == [
        "SUM(debit) < 7",
        "SUM(debit) < 9",
    ]
    assert usual.hash != changed.hash


def test_a_feed_with_thresholds_of_the_county_keeps_its_wording(schemas: Path) -> None:
    """Its contract is the file as it stands: it is on record, compared and checked."""
    form = "{group: [org_code], holds: 'sum(debit) < :limit', parameters: {limit: 7}}"
    root = written(schemas, form, "thresholds: {voucher_line.added: {limit: 8}}\n")
    assert ("feeds", "voucher_line") in wordings(root, load(root))


def test_a_threshold_that_no_rule_has_is_told(schemas: Path) -> None:
    """Its line in quality.yaml is named, and what there is."""
    form = "{group: [org_code], holds: 'sum(debit) < :limit', parameters: {limit: 7}}"
    policy = "thresholds:\n  voucher_line.added: {limits: 9}\n"
    found = load(written(schemas, form, policy))
    (told,) = (str(one) for one in found.problems if "quality.yaml" in str(one))
    assert "quality.yaml:2: `voucher_line.added` has no threshold `limits`; it has: limit" in told


def test_a_threshold_of_an_unknown_feed_is_told(schemas: Path) -> None:
    """A misspelt feed would leave the contract's own threshold in force in silence."""
    policy = "thresholds:\n  voucher.added: {limit: 9}\n"
    told = [str(one) for one in load(written(schemas, SOUND["unique"], policy)).problems]
    assert any("quality.yaml:2:" in one and "there is no feed" in one for one in told), told


def test_a_threshold_of_another_kind_is_told(schemas: Path) -> None:
    """A word where the contract has a number would fail in the middle of a run."""
    form = "{group: [org_code], holds: 'sum(debit) < 2 * :limit', parameters: {limit: 7}}"
    policy = "thresholds:\n  voucher_line.added: {limit: 一千}\n"
    (told,) = (str(p) for p in load(written(schemas, form, policy)).problems if "quality" in str(p))
    assert "quality.yaml:2: `limit` is a text; `voucher_line.added` has 7" in told


def test_a_row_rule_has_a_dimension(schemas: Path) -> None:
    """Flags open cases, which rules of records do; a row rule without one would be seen nowhere."""
    copy = written(schemas, "{row: 'debit <> 7'}")
    contract = copy / "feeds" / "voucher_line.yaml"
    text = contract.read_text(encoding="utf-8")
    contract.write_text(text.replace("        dimension: consistency\n", "", 1), encoding="utf-8")
    found = load(copy)
    assert any("name its `dimension`" in str(one) for one in found.problems)
    assert "voucher_line" not in found.feeds


def test_a_misspelt_hard_rule_is_told_with_its_line(schemas: Path) -> None:
    """The sentence names the gate's line and the rule that is most like it."""
    copy = written(schemas, "{unique: [org_code, period, voucher_no, line_no]}")
    contract = copy / "feeds" / "voucher_line.yaml"
    text = contract.read_text(encoding="utf-8")
    gate = "customProperties:\n  - {property: gate, value: {hard: [voucher_balancd]}}\n"
    contract.write_text(text.replace("customProperties:\n", gate, 1), encoding="utf-8")
    (told,) = (str(one) for one in load(copy).problems if "`gate`" in str(one))
    line = contract.read_text(encoding="utf-8")[: text.index("customProperties:")].count("\n") + 2
    assert f"voucher_line.yaml:{line}:" in told
    assert "`voucher_balanced`?" in told
