"""Walking lineage: both ways the same, as far as asked, and told as a chart."""

from __future__ import annotations

import random
from typing import cast

import pytest

from dagster_project.contracts.model import Column
from dagster_project.errors import ModelError, UsageError
from dagster_project.lineage.atlas.atlas import Atlas, Card
from dagster_project.lineage.atlas.mermaid import flowchart
from dagster_project.lineage.columns import Edge, Kind, ModelLineage, lineage_of
from dagster_project.lineage.walk import VALUES, Network, Spot

SCHEMA = {"silver.a": {"k": "VARCHAR", "town": "VARCHAR", "x": "BIGINT", "y": "BIGINT"}}
GOLD = """SELECT town, COUNT(*) AS n, SUM(x) AS total, COUNT(*) FILTER (WHERE y > 1) AS few
FROM silver.a GROUP BY town"""
MADE = {**SCHEMA, "gold.m": dict.fromkeys(("town", "n", "total", "few"), "BIGINT")}
KINDS = ("identity", "transformation", "aggregation", "filter", "join", "group", "window")


def small() -> Network:
    """A feed, a mart over it, a report over that."""
    bronze = tuple(Edge(name, "landing.a", name, "identity") for name in SCHEMA["silver.a"])
    silver = tuple(
        Edge(name, "bronze.a", name, "transformation", ("trim",)) for name in SCHEMA["silver.a"]
    )
    names = tuple(SCHEMA["silver.a"])
    return Network(
        {
            "bronze.a": ModelLineage("bronze.a", names, bronze),
            "silver.a": ModelLineage("silver.a", names, silver),
            "gold.m": lineage_of("gold.m", GOLD, MADE),
            "report.r": lineage_of("report.r", "SELECT town, total, few FROM gold.m", MADE),
        }
    )


def drawn(seed: int) -> Network:
    """A network of random tables, each made from some before it."""
    chance = random.Random(seed)  # noqa: S311 - a test's choice, the same each time
    tables = {"silver.t0": ("a", "b", "c")}
    lineages: dict[str, ModelLineage] = {}
    for number in range(1, 7):
        name = f"gold.t{number}"
        columns = tuple("abcdef"[: chance.randint(1, 4)])
        edges = set()
        for column in columns:
            for source in chance.sample(sorted(tables), chance.randint(1, min(2, len(tables)))):
                kind = cast("Kind", chance.choice(KINDS))
                edges.add(Edge(column, source, chance.choice(tables[source]), kind))
        lineages[name] = ModelLineage(name, columns, tuple(sorted(edges)))
        tables[name] = columns
    return Network(lineages)


def spots(network: Network) -> list[Spot]:
    """Every column of every table."""
    made = [(name, one) for name, lineage in network.lineages.items() for one in lineage.columns]
    return [("silver.t0", name) for name in "abc"] + made


@pytest.mark.parametrize("seed", range(40))
def test_what_is_upstream_of_one_is_downstream_of_the_other(seed: int) -> None:
    """A value that flows from one column to another is found from both ends, at one distance."""
    network = drawn(seed)
    ups = {one: network.walk("up", [one]).reached for one in spots(network)}
    downs = {one: network.walk("down", [one]).reached for one in spots(network)}
    flows_up = {(b, a) for a, found in ups.items() for b, it in found.items() if it.how == "value"}
    flows_down = {
        (a, b) for a, found in downs.items() for b, it in found.items() if it.how == "value"
    }
    assert flows_up == flows_down
    assert flows_up == closure(network)


def closure(network: Network) -> set[tuple[Spot, Spot]]:
    """Every pair that values flow between, by the definition: squared until nothing is new."""
    pairs = {
        ((edge.source_table, edge.source_column), (name, edge.column))
        for name, lineage in network.lineages.items()
        for edge in lineage.edges
        if edge.kind in VALUES
    }
    while True:
        more = {(a, d) for a, b in pairs for c, d in pairs if b == c} - pairs
        if not more:
            return pairs
        pairs |= more


@pytest.mark.parametrize("seed", range(40, 60))
def test_a_walk_ends_where_it_was_told_to(seed: int) -> None:
    """What is reached within a depth is what a whole walk reaches at most that far."""
    network = drawn(seed)
    for direction in ("up", "down"):
        for start in spots(network):
            whole = network.walk(direction, [start])
            near = network.walk(direction, [start], 2)
            assert set(near.reached) <= set(whole.reached)
            assert all(step.distance <= 2 for step in near.reached.values())
            ends = {spot for link in near.links for spot in (link.source, link.target)}
            assert ends <= {start, *near.reached}


def test_a_sum_comes_from_the_title_in_the_file() -> None:
    """Through every layer, with what is done on the way and the repairs that may act."""
    walked = small().walk("up", [("report.r", "total")])
    flowing = [spot for spot, step in walked.reached.items() if step.how == "value"]
    assert flowing == [
        ("gold.m", "total"),
        ("silver.a", "x"),
        ("bronze.a", "x"),
        ("landing.a", "x"),
    ]
    by = {link.source: (link.kind, link.by) for link in walked.links if link.how == "value"}
    assert by["silver.a", "x"] == ("aggregation", ())
    assert by["bronze.a", "x"] == ("transformation", ("trim",))


def test_a_count_comes_from_the_rows_of_the_file() -> None:
    """Counted rows are followed as rows down to the file; what filters them only decides."""
    walked = small().walk("up", [("report.r", "few")])
    flowing = [spot for spot, step in walked.reached.items() if step.how == "value"]
    assert flowing[-3:] == [("silver.a", "*"), ("bronze.a", "*"), ("landing.a", "*")]
    assert walked.reached["silver.a", "y"].how == "rows"


def test_tables_in_a_circle_are_a_sentence() -> None:
    """Two tables that are made from each other cannot be put in order."""
    lineages = {
        "gold.a": ModelLineage("gold.a", ("x",), (Edge("x", "gold.b", "x", "identity"),)),
        "gold.b": ModelLineage("gold.b", ("x",), (Edge("x", "gold.a", "x", "identity"),)),
    }
    with pytest.raises(ModelError, match=r"made from each other: gold\.[ab] -> gold\.[ab]"):
        Network(lineages).walk("down", [("gold.a", "x")])


def atlas() -> Atlas:
    """The small network with names; one title would break a careless chart."""
    titles = {
        "landing.a": "来件",
        "bronze.a": "甲",
        "silver.a": "甲",
        "gold.m": '合"计',
        "report.r": "表",
    }
    network = small()
    cards = {
        table: Card(table, title, tuple(Column(name, f"列{name}", "string") for name in names))
        for table, title in titles.items()
        for made in [network.lineages.get(table)]
        for names in [made.columns if made else SCHEMA["silver.a"]]
    }
    return Atlas(network, cards)


def test_a_table_is_found_by_what_people_call_it() -> None:
    """By layer and name, by name alone (the later layer first), by title; a column likewise."""
    known = atlas()
    assert known.find("silver.a.x") == ("silver.a", "x")
    assert known.find("a") == ("silver.a", "")
    assert known.find("a.列y") == ("silver.a", "y")
    assert known.find("表.total") == ("report.r", "total")
    assert known.find("bronze.甲") == ("bronze.a", "")


@pytest.mark.parametrize(
    ("said", "sentence"),
    [
        ("gold.n", "there is no table gold.n; the nearest right one is `gold.m`"),
        ("report.r.totl", "report.r has no column totl; the nearest right one is `total`"),
        ("", "there is no table"),
    ],
)
def test_a_mistyped_name_is_answered_with_the_nearest(said: str, sentence: str) -> None:
    """A sentence, and what to do."""
    with pytest.raises(UsageError, match=sentence.replace(".", r"\.")):
        atlas().find(said)


def test_a_chart_has_every_column_on_the_way_and_quotes_nothing_raw() -> None:
    """A box per table, an arrow per flow with its kind, a dotted one for what decides."""
    known = atlas()
    chart = flowchart(known, known.network.walk("up", known.starts("report.r", "total")))
    lines = [line.strip() for line in chart.splitlines()]
    assert lines[0] == "flowchart LR"
    assert sum(line.startswith("subgraph") for line in lines) == lines.count("end") == 5
    assert any("合&quot;计 gold.m" in line for line in lines)
    assert any('|"汇总"|' in line for line in lines)
    assert any(line.split()[1:2] == ['-.->|"分组"|'] for line in lines), chart
    whole = flowchart(known, known.network.walk("down", known.starts("silver.a", "")))
    assert "subgraph" not in whole
    assert 't0["甲 silver.a"]' in whole
