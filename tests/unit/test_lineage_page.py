"""The lineage page as a file: whole in itself, its policy true, its data what the lineage says."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import shutil
import subprocess
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from dagster_project.contracts.model import Column
from dagster_project.lineage.atlas.atlas import KINDS, Atlas, Card
from dagster_project.lineage.atlas.page import EVERY, Heading, render
from dagster_project.lineage.columns import Edge, ModelLineage
from dagster_project.lineage.walk import Network

HOSTILE = "</script><img src=x onerror=alert(1)>{{data}}{{script}}"
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")


def atlas() -> Atlas:
    """A feed with a hostile title, and a mart that counts its rows and filters by every column."""
    names = ("k", "x")
    columns = (Column("k", HOSTILE, "string", level="L4"), Column("x", "数：个数", "integer"))
    bronze = tuple(Edge(name, "landing.a", name, "identity") for name in names)
    silver = [Edge(name, "bronze.a", name, "transformation", ("trim",)) for name in names]
    silver += [Edge(name, "bronze.a", "k", "filter", ("k.required",)) for name in names]
    mart = [Edge("n", "silver.a", "*", "aggregation"), Edge("n", "silver.a", "x", "filter")]
    lineages = {
        "bronze.a": ModelLineage("bronze.a", names, bronze),
        "silver.a": ModelLineage("silver.a", names, tuple(sorted(silver))),
        "gold.m": ModelLineage("gold.m", ("n",), tuple(sorted(mart))),
    }
    owned = {
        table: Card(table, "甲表", columns, key=("k",), department=HOSTILE, rows=12)
        for table in ("landing.a", "bronze.a", "silver.a")
    }
    made = Card("gold.m", "合计", (Column("n", "个数", "integer"),), sql="SELECT '</script>'")
    return Atlas(Network(lineages), {**owned, "gold.m": made})


def page() -> str:
    """The page of the small atlas."""
    return render(
        atlas(), Heading("140321", HOSTILE, datetime(2026, 5, 1, tzinfo=UTC), 5, 5, ("x.sql: no.",))
    )


def data(text: str) -> Any:
    """What the page's script reads."""
    found = re.search(r'<script type="application/json" id="data">(.*?)</script>', text, re.DOTALL)
    assert found
    return json.loads(found.group(1))


def test_the_page_fetches_nothing() -> None:
    """No address but the name of SVG, no file, and a policy that would forbid it."""
    text = page()
    assert set(re.findall(r"https?://[^\s'\"]+", text)) == {"http://www.w3.org/2000/svg"}
    own = "".join(re.findall(r"<(?:script|style)>.*?</", text, re.DOTALL))
    assert len(own) > 20_000
    assert not re.search(r"\b(?:src|srcset|fetch|XMLHttpRequest|import|url)\b\s*[=(]|@import", own)
    assert "default-src 'none'" in text


def test_the_policy_names_the_page_s_own_script() -> None:
    """The browser runs exactly the text that was hashed, and no other script."""
    text = page()
    script = re.findall(r"<script>(.*?)</script>", text, re.DOTALL)
    assert len(script) == 1
    digest = base64.b64encode(hashlib.sha256(script[0].encode()).digest()).decode()
    assert f"script-src 'sha256-{digest}'" in text


def test_foreign_text_is_neither_markup_nor_the_end_of_the_data() -> None:
    """A title that looks like a tag stays a title."""
    text = page()
    assert "<img" not in text
    told = data(text)
    assert told["site"]["name"] == HOSTILE
    assert told["departments"] == [HOSTILE]
    by_name = {one["t"]: one for one in told["tables"]}
    assert by_name["silver.a"]["c"][0][1] == HOSTILE
    assert by_name["gold.m"]["s"] == "SELECT '</script>'"


def test_the_data_are_the_lineage() -> None:
    """Each edge by position; a condition of every column once; a ledger's long title in two."""
    told = data(page())
    tables = {one["t"]: (number, one) for number, one in enumerate(told["tables"])}
    kinds = list(KINDS)
    (bronze, _), (silver, feed) = tables["bronze.a"], tables["silver.a"]
    assert [EVERY, bronze, 0, kinds.index("filter"), [told["acts"].index("k.required")]] in feed[
        "e"
    ]
    assert len(feed["e"]) == 3
    assert [0, silver, -1, kinds.index("aggregation")] in tables["gold.m"][1]["e"]
    assert feed["c"][1][1] == "数"
    assert feed["c"][1][5] == "个数"
    assert feed["n"] == 12
    assert told["at"] == "2026-05-01 08:00"


@pytest.mark.thorough
@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine")
@pytest.mark.parametrize(
    ("place", "words"),
    [
        ("", ["甲表", "合计", "每一列都有出处", "1 个模型未能加载"]),
        ("#gold.m.n", ["怎么来的", "甲表 的行", "汇总"]),
        ("#silver.a", ["原始", "流向"]),
    ],
)
def test_a_browser_draws_it_from_disk(tmp_path: Path, place: str, words: list[str]) -> None:
    """Opened as a file, without a network: cards, ways and the words beside them are there."""
    file = tmp_path / "index.html"
    file.write_text(page(), encoding="utf-8")
    done = subprocess.run(
        [
            str(CHROMIUM),
            "--headless=new",
            "--no-sandbox",
            "--disable-gpu",
            f"--user-data-dir={tmp_path / 'profile'}",
            "--virtual-time-budget=2000",
            "--dump-dom",
            f"{file.as_uri()}{place}",
        ],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    drawn = done.stdout.partition('<script type="application/json"')[0]
    assert [word for word in words if word not in drawn] == []
    assert "<img" not in drawn
