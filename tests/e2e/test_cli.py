"""The ``countylake`` command as people and machines use it: answers, sentences, exit codes."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from dagster_project.contracts import load
from dagster_project.paths import PROJECT, schemas_dir
from tests.conftest import Demo, called, told

pytestmark = [pytest.mark.xdist_group("demo"), pytest.mark.slow]
BIN = Path(sys.executable).parent


def test_help_needs_neither_dagster_nor_duckdb() -> None:
    """The list of commands comes without loading an engine."""
    script = (
        "import sys\n"
        "from typer.testing import CliRunner\n"
        "from dagster_project.cli.main import app\n"
        "done = CliRunner().invoke(app, ['--help'])\n"
        "assert done.exit_code == 0 and 'quarantine' in done.output\n"
        "heavy = {'dagster', 'duckdb', 'polars', 'sqlglot', 'pandas'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("status", "--home", "{empty}"), 2, "countylake init"),
        (("status", "--home", "{root}/city"), 2, "is no site that collects"),
        (("sql", "SELECT * FROM nowhere", "--home", "{root}/county"), 2, "nowhere"),
        (("quarantine", "nothing", "--home", "{root}/county"), 2, "countylake feeds"),
        (("trace", "gold.nothing", "--home", "{root}/county"), 2, "no table gold.nothing"),
        (("trace", "population_by_site", "--home", "{root}/city"), 2, "countylake city trace"),
        (("run", "--day", "yesterday", "--home", "{root}/county"), 2, "2026-11-22"),
        (("city", "register", "{empty}/public.json", "--home", "{root}/city"), 7, "public.json"),
    ],
)
def test_errors_are_sentences(
    demo: Demo, tmp_path: Path, arguments: tuple[str, ...], code: int, words: str
) -> None:
    """What is wrong, where and what to do, on stderr, with an exit code that means something."""
    filled = [one.format(root=demo.root, empty=tmp_path) for one in arguments]
    done = called(*filled)
    assert done.returncode == code, done.stderr
    assert words in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""


def test_an_error_ends_the_process_with_its_code(tmp_path: Path) -> None:
    """What a shell sees of an error: its code, its sentence, nothing else."""
    done = subprocess.run(
        [sys.executable, "-m", "dagster_project.cli", "status", "--home", str(tmp_path)],
        capture_output=True,
        text=True,
        check=False,
        cwd="/",
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert "countylake init" in done.stderr
    assert "Traceback" not in done.stderr


def test_feeds_tells_what_the_contracts_say(demo: Demo) -> None:
    """Every feed with its department, its files and its catalogue item."""
    feeds = told("feeds", "--home", str(demo.root / "county"))["feeds"]
    departments = {feed["department"] for feed in feeds}
    assert len(feeds) >= 14
    assert {"公安局", "农业农村局", "城市管理局"} <= departments
    assert all(feed["catalogue"]["code"] for feed in feeds)


def test_rejected_rows_say_where_and_why_and_show_no_person(demo: Demo) -> None:
    """Each open row has its file, its row number and a Chinese sentence; cells are masked."""
    home = str(demo.root / "county")
    every = told("quarantine", "population", "--limit", "500", "--home", home)["rows"]
    # Records that break a rule of the whole table are in silver, and listed beside them.
    whole = {rule.id for rule in load(schemas_dir()).feeds["population"].table_rules}
    rows = [row for row in every if not whole & set(row["reasons"])]
    assert len(rows) == next(
        feed["rejected"]
        for feed in told("status", "--home", home)["feeds"]
        if feed["feed"] == "population"
    )
    for row in rows:
        assert row["file"].startswith("公安局/")
        assert row["row"] > 1
        assert all(sentence for sentence in row["sentences"])
        assert row["cells"].get("姓名", "＊").startswith("＊")
        assert row["cells"].get("公民身份号码", "＊").startswith("＊")


def test_a_figure_opens_to_its_rows(demo: Demo) -> None:
    """A count is traced to as many rows of files as it says, and is equal when recomputed."""
    home = str(demo.root / "county")
    (code, usage, count), *_ = told(
        "sql",
        "SELECT town_code, usage, house_cnt FROM gold.house_by_town_usage"
        " ORDER BY house_cnt DESC, town_code, usage",
        "--home",
        home,
    )["rows"]
    place = ("--where", f"town_code={code}", "--where", f"usage={usage}", "--home", home)
    found = told("trace", "house_by_town_usage", "--column", "house_cnt", *place)
    assert told("trace", "gold.house_by_town_usage.house_cnt", *place) == found
    assert found["equal"]
    assert (found["figure"], found["row_count"]) == (count, count)
    assert {file["path"].split("/")[0] for file in found["files"]} == {"住房和城乡建设局"}


def test_the_city_answers_questions(demo: Demo) -> None:
    """The unified tables of both counties are in the city's replica."""
    rows = told(
        "city",
        "sql",
        "SELECT site_code, count(*) > 0 FROM city.task_execution GROUP BY 1 ORDER BY 1",
        "--home",
        str(demo.root / "city"),
    )["rows"]
    assert rows == [["140321", True], ["140322", True]]


def test_publish_writes_one_file_to_take_away(demo: Demo, tmp_path: Path) -> None:
    """``publish --to`` makes one self-contained database."""
    answer = told("publish", "--to", str(tmp_path), "--home", str(demo.root / "county"))
    assert Path(answer["path"]) == tmp_path / "county.duckdb"
    assert [one.name for one in tmp_path.iterdir()] == ["county.duckdb"]


def test_both_front_doors_are_valid(demo: Demo) -> None:
    """``dagster definitions validate`` accepts the county's and the city's definitions."""
    environment = {
        **os.environ,
        "COUNTYLAKE_HOME": str(demo.root / "county"),
        "COUNTYLAKE_CITY_HOME": str(demo.root / "city"),
        "DAGSTER_HOME": str(demo.root / "dagster"),
    }
    for module in ("dagster_project.definitions", "dagster_project.city.definitions"):
        done = subprocess.run(
            [BIN / "dagster", "definitions", "validate", "-m", module],
            capture_output=True,
            text=True,
            check=False,
            cwd=PROJECT,
            env=environment,
        )
        assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("what", ["yaml", "defs"])
def test_dg_accepts_the_project(what: str) -> None:
    """``dg check`` finds nothing wrong with the components' YAML and the definitions."""
    if not (BIN / "dg").exists():
        pytest.skip("dg is not installed: run `uv sync --extra ui` to check the components with it")
    done = subprocess.run(
        [BIN / "dg", "check", what],
        capture_output=True,
        text=True,
        check=False,
        cwd=PROJECT,
    )
    assert done.returncode == 0, done.stdout + done.stderr
