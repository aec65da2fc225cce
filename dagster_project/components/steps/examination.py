"""One file examined outside of any lake: its verdict, and what a contract would make of its rows.

Nothing is landed, merged or remembered.
"""

from __future__ import annotations

import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import Any

import duckdb

from dagster_project import clock
from dagster_project.contracts import load, load_one
from dagster_project.contracts.model import Contracts, Feed
from dagster_project.errors import ContractError, UsageError
from dagster_project.ingest.readers.limits import Limits
from dagster_project.ingest.readers.verdict import verdict
from dagster_project.paths import schemas_dir
from dagster_project.settings import load_settings
from dagster_project.transform.conform import compile_feed, preview


def examine(
    file: Path, *, contract: str = "", out: Path | None = None, sm3: bool = False
) -> dict[str, Any]:
    """Read a file as ``countylake read`` does.

    Args:
        file: The file.
        contract: A feed's name or the path of a contract; empty to read by shape alone.
        out: Where to keep the rows as Parquet.
        sm3: Whether to add the SM3 digest.

    Returns:
        The verdict; with a contract and a file that was read also ``contract`` and ``conform``:
        accepted, rejected, repeated, rules, repairs.

    Raises:
        UsageError: No such file or feed.
        ContractError: The contract is refused.
    """
    if not file.is_file():
        raise UsageError("there is no such file", where=str(file), todo="Name a delivered file")
    name = "".join(one if one.isprintable() else ascii(one)[1:-1] for one in file.name)
    limits = Limits.of(load_settings())
    if not contract:
        return verdict(file, name=name, out=out, limits=limits, sm3=sm3)
    contracts, feed = chosen(contract)
    with tempfile.TemporaryDirectory(prefix="countylake-") as scratch:
        rows = out or Path(scratch) / "rows.parquet"
        told = verdict(file, feed, name=name, out=rows, limits=limits, sm3=sm3) | {
            "contract": feed.path
        }
        if told["refused"]:
            return told
        with duckdb.connect() as con:
            plan = compile_feed(feed, contracts)
            made = preview(con, plan, rows, delivered_at=clock.now(), units=told["units"])
    return told | {"conform": asdict(made)}


def chosen(contract: str) -> tuple[Contracts, Feed]:
    """A contract by its feed's name among the site's, or by the path of its YAML file.

    Raises:
        UsageError: No such feed or file.
        ContractError: The contract is refused.
    """
    path = Path(contract)
    is_file = path.suffix in {".yaml", ".yml"}
    if is_file and not path.is_file():
        raise UsageError("there is no such contract", where=contract, todo="Name a YAML file")
    name = path.stem if is_file else contract
    contracts = load_one(path.resolve(), schemas_dir()) if is_file else load(schemas_dir())
    if name in contracts.feeds:
        return contracts, contracts.feeds[name]
    refused = [str(problem) for problem in contracts.problems if Path(problem.path).stem == name]
    if refused:
        raise ContractError(" ".join(refused), where=contract, todo="Mend it, then read again")
    raise UsageError(
        f"there is no contract of a feed {name}",
        todo="See `countylake feeds`, or name a YAML file",
    )
