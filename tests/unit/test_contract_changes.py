"""What differs between two versions of a contract, and how much: nothing escapes."""

from __future__ import annotations

import copy
from dataclasses import replace
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from dagster_project.contracts import amend, load
from dagster_project.contracts.changes import changes, gravest, needed_bump
from dagster_project.contracts.wording import Wording, wordings
from dagster_project.paths import schemas_dir

CONTRACTS = load(schemas_dir())
WORDINGS = wordings(schemas_dir(), CONTRACTS)
HOUSE = WORDINGS["feeds", "house"]
ALL = st.sampled_from(sorted(WORDINGS)).map(WORDINGS.__getitem__)
VALUES = st.sampled_from([0, 1, 7, True, False, None, "", "x", "1", "甲", [], ["a"], {}, {"a": 1}])


def places(data: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Where every value of YAML data stands, but the version."""
    items: list[tuple[Any, Any]] = []
    if isinstance(data, dict):
        items = list(data.items())
    elif isinstance(data, list):
        items = list(enumerate(data))
    found = [(*path, key) for key, _ in items if (*path, key) != ("version",)]
    return found + [deep for key, child in items for deep in places(child, (*path, key))]


def at(data: Any, path: tuple[Any, ...]) -> Any:
    """The value at a place."""
    for step in path:
        data = data[step]
    return data


def reworded(wording: Wording, data: Any) -> Wording:
    """The contract with other data."""
    text = yaml.safe_dump(data, allow_unicode=True, sort_keys=False)
    return replace(wording, text=text)


def edited(wording: Wording, old: str, new: str) -> Wording:
    """The contract with one passage of its text replaced."""
    assert old in wording.text, old
    return replace(wording, text=wording.text.replace(old, new, 1))


@pytest.mark.parametrize("key", sorted(WORDINGS), ids=".".join)
def test_a_contract_does_not_differ_from_itself(key: tuple[str, str]) -> None:
    """Neither as it is, nor written anew without its comments, nor under another version."""
    wording = WORDINGS[key]
    assert changes(wording, wording) == ()
    assert changes(wording, reworded(wording, dict(wording.data))) == ()
    assert changes(wording, replace(wording, text=amend.with_version(wording.text, "9.9.9"))) == ()
    assert needed_bump(()) == "none"


@settings(max_examples=150, deadline=None)
@given(ALL, st.data())
def test_no_edit_of_any_word_escapes(wording: Wording, draw: st.DataObject) -> None:
    """A value replaced or taken out, or an entry moved: at least one change, with a sentence."""
    data = copy.deepcopy(dict(wording.data))
    path = draw.draw(st.sampled_from(places(data)))
    parent, was = at(data, path[:-1]), copy.deepcopy(at(data, path))
    how = draw.draw(st.sampled_from(["replace", "remove", "move", "repeat"]))
    if how == "replace":
        parent[path[-1]] = draw.draw(VALUES.filter(lambda v: repr(v) != repr(was)))
    elif how == "remove":
        del parent[path[-1]]
    elif isinstance(parent, list) and how == "repeat":
        parent.append(copy.deepcopy(was))
    elif isinstance(parent, list) and parent[-1] != was:
        parent.append(parent.pop(path[-1]))
    else:
        return
    found = changes(wording, reworded(wording, data))
    assert found, path
    assert all(change.sentence and change.place for change in found)
    assert needed_bump(found) != "none"


def test_a_property_without_a_name_stands_somewhere() -> None:
    """A name written as nothing is shown as nothing written, and not as no place."""
    found = changes(HOUSE, edited(HOUSE, "property: delivery", "property: ''"))
    assert {one.place for one in found} >= {"''", "delivery"}


@settings(max_examples=60, deadline=None)
@given(ALL.filter(lambda w: bool(w.codes)), st.data())
def test_no_edit_of_a_code_list_escapes(wording: Wording, draw: st.DataObject) -> None:
    """A code, a title, a synonym or a date more, less or other: at least one change."""
    name = draw.draw(st.sampled_from(sorted(wording.codes)))
    rows = dict(wording.codes[name])
    code = draw.draw(st.sampled_from(sorted(rows)))
    how = draw.draw(st.sampled_from(["gone", "new", "title", "synonyms", "valid_from", "valid_to"]))
    if how == "gone":
        del rows[code]
    elif how == "new":
        rows["新"] = ("新", "", "", "")
    else:
        row = list(rows[code])
        row[["title", "synonyms", "valid_from", "valid_to"].index(how)] += "9"
        rows[code] = tuple(row)
    after = replace(wording, codes={**wording.codes, name: rows})
    found = changes(wording, after)
    assert len(found) == 1
    assert found[0].place.startswith(f"codes.{name}")
    assert (how == "gone") <= (found[0].grade == "breaking")
    assert after.hash != wording.hash


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_going_back_is_found_in_the_same_places(draw: st.DataObject) -> None:
    """From A to B and from B to A as many words differ, whatever each direction is worth."""
    data = copy.deepcopy(dict(HOUSE.data))
    for _ in range(draw.draw(st.integers(1, 4))):
        path = draw.draw(st.sampled_from([p for p in places(data) if p[-1] != "name"]))
        at(data, path[:-1])[path[-1]] = draw.draw(VALUES)
    after = reworded(HOUSE, data)
    there, back = changes(HOUSE, after), changes(after, HOUSE)
    assert {one.place for one in there} == {one.place for one in back}


COLUMN = (
    "    properties:\n      - name: note_x\n        businessName: 备注甲\n"
    "        logicalType: string\n        classification: L2\n"
)


@pytest.mark.parametrize(
    ("old", "new", "grade", "says"),
    [
        ("name: 实有房屋\n", "name: 房屋\n", "cosmetic", "`name` was 实有房屋 and is 房屋"),
        ("delivery, value: full", "delivery, value: incremental", "breaking", "`delivery`"),
        ("      - name: usage\n", "      - name: use\n", "breaking", "is called `use`"),
        ("businessName: 房屋用途", "businessName: 用途甲", "breaking", "businessName"),
        ("value: '20:00'", "value: '18:00'", "compatible", "timeOfAvailability"),
        ("path: '住房和城乡建设局/", "path: '住建局/", "breaking", "server `inbox`: `path`"),
        ("shareType: '2'", "shareType: '1'", "breaking", "catalogue.shareType"),
        ("    properties:\n", COLUMN, "compatible", "column `note_x` (备注甲) is new"),
        ("    properties:\n", f"{COLUMN}        required: true\n", "breaking", "and is required"),
        ("classification: L2", "classification: L1", "breaking", "was L2 and is L1"),
        ("classification: L3", "classification: L4", "breaking", "was L3 and is L4"),
        ("{property: delivery", "{property: manifest, value: false}\n  - {property: delivery",
         "cosmetic", "`manifest` is now false"),
        ("{property: delivery", "{property: manifest, value: true}\n  - {property: delivery",
         "breaking", "`manifest` is now true"),
    ],
)  # fmt: skip
def test_each_sort_of_change_has_its_grade(old: str, new: str, grade: str, says: str) -> None:
    """Who reads a table or delivers a file must act: breaking. There is more: compatible."""
    found = changes(HOUSE, edited(HOUSE, old, new))
    assert gravest(found) == grade, found
    assert says in "\n".join(change.sentence for change in found)


PAYMENT = WORDINGS["feeds", "payment"]


def ruled(wording: Wording, rule_id: str, severity: str, **how: Any) -> Wording:
    """The contract with one rule's severity and implementation written anew."""
    data = copy.deepcopy(dict(wording.data))
    rule = next(rule for rule in data["schema"][0]["quality"] if rule["id"] == rule_id)
    rule["severity"], rule["implementation"] = severity, how
    return reworded(wording, data)


@pytest.mark.parametrize(("severity", "grade"), [("warn", "compatible"), ("fail", "breaking")])
def test_a_threshold_or_a_condition_counts_as_much_as_its_rule(severity: str, grade: str) -> None:
    """What a department must mend breaks; what is only to be looked at does not."""
    was = ruled(
        PAYMENT, "cash_over_limit", severity, row="amount <= :limit", parameters={"limit": 1}
    )
    now = ruled(
        PAYMENT, "cash_over_limit", severity, row="amount <= :limit", parameters={"limit": 2}
    )
    (change,) = changes(was, now)
    assert change.sentence == "rule `cash_over_limit`: `limit` was 1 and is 2"
    assert change.grade == grade
    groups = [
        ruled(PAYMENT, "cash_over_limit", severity, group=["org_code"], holds=holds)
        for holds in ("sum(amount) > 0", "sum(amount) > 1")
    ]
    assert {one.grade for one in changes(*groups)} == {grade}
    assert {one.grade for one in changes(was, groups[0])} == {grade}


def test_an_expression_in_its_other_form_is_the_same_rule() -> None:
    """`implementation: x` and `implementation: {row: x}` ask the same."""
    rule = next(r for r in PAYMENT.data["schema"][0]["quality"] if r["id"] == "paid_has_time")
    now = ruled(PAYMENT, "paid_has_time", rule["severity"], row=rule["implementation"])
    assert gravest(changes(PAYMENT, now)) == "cosmetic"


@pytest.mark.parametrize(
    ("old", "new", "grade"),
    [
        ({}, {"share": 0.05}, "compatible"),
        ({"share": 0.05}, {"share": 0.2}, "compatible"),
        ({"share": 0.05}, {"share": 0.05, "rows": 10}, "compatible"),
        ({}, {"hard": ["paid_has_time"]}, "breaking"),
        ({"hard": ["a", "b"]}, {"hard": ["b"]}, "compatible"),
        ({"hard": ["a", "b"]}, {"hard": ["b", "a"]}, "cosmetic"),
    ],
)
def test_a_gate_breaks_where_one_failure_holds_a_delivery(
    old: dict[str, Any], new: dict[str, Any], grade: str
) -> None:
    """More of what may be wrong, or less, is the county's patience; a hard rule is a duty."""
    found = changes(*(gated(gate) for gate in (old, new)))
    assert gravest(found) == grade, found


def gated(gate: dict[str, Any]) -> Wording:
    """The payments' contract with this gate, or without one."""
    data = copy.deepcopy(dict(PAYMENT.data))
    customs = [one for one in data["customProperties"] if one["property"] != "gate"]
    data["customProperties"] = [*customs, *([{"property": "gate", "value": gate}] if gate else [])]
    return reworded(PAYMENT, data)


@pytest.mark.parametrize(("severity", "grade"), [("warn", "compatible"), ("fail", "breaking")])
def test_a_table_rule_that_comes_or_goes_is_graded_by_its_severity(
    severity: str, grade: str
) -> None:
    """A new duty of the department breaks; a rule less asks nothing of anybody."""
    old = ruled(PAYMENT, "cash_over_limit", severity, unique=["pay_no"])
    data = copy.deepcopy(dict(old.data))
    rules = data["schema"][0]["quality"]
    data["schema"][0]["quality"] = [rule for rule in rules if rule["id"] != "cash_over_limit"]
    less = reworded(PAYMENT, data)
    assert [one.grade for one in changes(less, old)] == [grade]
    assert [one.grade for one in changes(old, less)] == ["compatible"]


def test_a_title_may_change_when_the_old_one_is_still_read() -> None:
    """The department's files keep their header; only the page shows another one."""
    data = copy.deepcopy(dict(HOUSE.data))
    column = next(c for c in data["schema"][0]["properties"] if c["name"] == "usage")
    column["businessName"] = "用途甲"
    customs = column["customProperties"]
    aliases = next((p for p in customs if p["property"] == "aliases"), None)
    if aliases is None:
        customs.append({"property": "aliases", "value": ["房屋用途"]})
    else:
        aliases["value"].append("房屋用途")
    assert gravest(changes(HOUSE, reworded(HOUSE, data))) == "cosmetic"


@pytest.mark.parametrize("change", ["alias", "optional", "length", "column"])
def test_what_acceptance_amends_is_graded_as_acceptance_raises_it(change: str) -> None:
    """A synonym is a patch, a column more minor; a looser column breaks who relied on it."""
    feed, text = CONTRACTS.feeds["house"], HOUSE.text
    long = next(column for column in feed.columns if column.max_length)
    required = next(c for c in feed.columns if c.required and not c.is_key)
    made, bump = {
        "alias": (amend.with_alias(text, "usage", "又名"), "patch"),
        "optional": (amend.with_optional(text, required.name), "major"),
        "length": (amend.with_length(text, long.name, long.max_length + 1), "major"),
        "column": (amend.with_column(text, "column_99", "新列"), "minor"),
    }[change]
    assert needed_bump(changes(HOUSE, replace(HOUSE, text=made))) == bump
    rows = {name: dict(rows) for name, rows in HOUSE.codes.items()}
    rows["house_usage"]["ZZ"] = ("ZZ", "", "", "")
    grown = replace(HOUSE, text=made, codes=rows)
    assert len(changes(HOUSE, grown)) == len(changes(HOUSE, replace(HOUSE, text=made))) + 1
    assert needed_bump(changes(HOUSE, grown)) == bump
