"""Wrong contracts: each is refused with file, line and a sentence, and the others still load."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from dagster_project.contracts import feed_order, load
from dagster_project.contracts.model import Problem
from tests.schemas_kit import FEEDS, SCHEMAS, Wrong, copy_feeds, problems_of, spoil


@pytest.fixture
def schemas(tmp_path: Path) -> Path:
    """A copy of feeds and code lists that may be spoilt."""
    return copy_feeds(tmp_path, FEEDS)


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


def test_a_name_does_not_end_with_a_line_break(schemas: Path) -> None:
    """Such a name looks like the one without; the contract is refused at its line."""
    wrong = Wrong(
        "house", "name: area_m2\n", 'name: "area_m2\\n"\n', 'name: "area_m2', "line break"
    )
    line = spoil(schemas, wrong)
    (problem,) = problems_of(load(schemas), "house")
    assert (problem.line, wrong.says in problem.sentence) == (line, True)


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
