"""What the ledger knows that matters to a batch of packages: chains, decisions before, history.

Each question is one query over the packages at hand, however long the ledger is. It decides
nothing and writes nothing.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal

import duckdb
import pyarrow as pa

from dagster_project.city import ledger
from dagster_project.city.chain import Chain, Standing
from dagster_project.city.ledger import TABLE, Entry
from dagster_project.city.verify import Verdict
from dagster_project.protocol.manifest import Header

MOST_PERIODS = 36
"""How many of the newest periods of a report are remembered for comparison."""


@dataclass(frozen=True)
class Past:
    """An accepted period: its totals by column, and its cut-off."""

    period: str
    revision: int
    totals: dict[str, Decimal]
    cut_off_at: datetime | None


@dataclass
class Memory:
    """Chains by sender; decisions by received bytes; accepted periods by site and report."""

    chains: dict[str, Chain] = field(default_factory=dict)
    same: dict[str, list[Entry]] = field(default_factory=dict)
    pasts: dict[tuple[str, str], dict[str, Past]] = field(default_factory=dict)

    def chain(self, sender: str) -> Chain:
        """A sender's chain; an empty one if nothing was received of it."""
        return self.chains.setdefault(sender, Chain())

    def before(self, header: Header) -> dict[str, Past]:
        """The accepted periods of a package's site and report, by period."""
        return self.pasts.setdefault((header.sender, header.report), {})

    def learn(self, entry: Entry) -> None:
        """Remember a decision of the batch itself."""
        self.same.setdefault(entry.received_hash, []).append(entry)
        if entry.outcome != "accepted" or not entry.report or not entry.period:
            return
        known = self.pasts.setdefault((entry.site_code, entry.report), {})
        if entry.kind == "withdrawal":
            known.pop(entry.period, None)
        else:
            known[entry.period] = _past(
                entry.period, entry.revision or 0, entry.totals, entry.cut_off_at
            )


def recall(con: duckdb.DuckDBPyConnection, arrived: Sequence[tuple[str, Verdict]]) -> Memory:
    """What is known about these packages and the sites whose chains they belong to.

    Args:
        con: A connection with the lake attached.
        arrived: Site and verdict of each package.
    """
    memory = Memory()
    if not ledger.present_columns(con):
        return memory
    hashes = [verdict.received_hash for _, verdict in arrived]
    con.register("asked", _asked(arrived))
    con.register("seen", pa.table({"hash": pa.array(hashes, pa.string())}))
    try:
        _recall_chains(con, memory)
        _recall_history(con, memory)
        for entry in ledger.entries(con, "received_hash IN (SELECT hash FROM seen)"):
            memory.same.setdefault(entry.received_hash, []).append(entry)
    finally:
        con.unregister("asked")
        con.unregister("seen")
    return memory


def _asked(arrived: Sequence[tuple[str, Verdict]]) -> pa.Table:
    """What is asked about: of a package that is not genuine, only the site."""
    told: list[dict[str, object]] = []
    for site, verdict in arrived:
        row: dict[str, object] = {"site": site}
        if verdict.genuine and verdict.manifest:
            header = verdict.manifest.header
            row |= {"no": header.package_no, "report": header.report, "period": header.period}
        told.append(row)
    kinds = [("site", pa.string()), ("no", pa.int64()), ("report", pa.string())]
    return pa.Table.from_pylist(told, schema=pa.schema([*kinds, ("period", pa.string())]))


def _recall_chains(con: duckdb.DuckDBPyConnection, memory: Memory) -> None:
    heads = con.execute(
        f"SELECT site_code, max(package_no), arg_max(package_hash, package_no) FROM {TABLE}"
        " WHERE consumed AND site_code IN (SELECT site FROM asked) GROUP BY site_code"
    ).fetchall()
    for site, number, head in heads:
        memory.chains[site] = Chain(head_no=number, head_hash=head)
    used = con.execute(
        f"SELECT site_code, package_no, package_hash FROM {TABLE} WHERE consumed"
        " AND (site_code, package_no) IN (SELECT (site, no) FROM asked)"
    ).fetchall()
    for site, number, package_hash in used:
        memory.chain(site).used[number] = package_hash
    standings = con.execute(
        "SELECT site_code, report, period, max(revision), arg_max(kind, revision)"
        f" FROM {TABLE} WHERE outcome = 'accepted'"
        " AND (site_code, report, period) IN (SELECT (site, report, period) FROM asked)"
        " GROUP BY site_code, report, period"
    ).fetchall()
    for site, report, period, revision, kind in standings:
        memory.chain(site).standings[report, period] = Standing(revision, kind == "withdrawal")
    keys = con.execute(
        f"SELECT site_code, key_id, max(package_no) FROM {TABLE} WHERE consumed AND key_id <> ''"
        " AND site_code IN (SELECT site FROM asked) GROUP BY site_code, key_id"
    ).fetchall()
    for site, key_id, number in keys:
        memory.chain(site).keys[key_id] = number


def _recall_history(con: duckdb.DuckDBPyConnection, memory: Memory) -> None:
    rows = con.execute(
        "WITH newest AS (SELECT site_code, report, period, revision, kind, totals, cut_off_at"
        f" FROM {TABLE} WHERE outcome = 'accepted'"
        " AND (site_code, report) IN (SELECT (site, report) FROM asked)"
        " QUALIFY row_number() OVER"
        " (PARTITION BY site_code, report, period ORDER BY revision DESC) = 1)"
        " SELECT site_code, report, period, revision, totals, cut_off_at FROM newest"
        " WHERE kind IS DISTINCT FROM 'withdrawal' QUALIFY row_number() OVER"
        f" (PARTITION BY site_code, report ORDER BY period DESC) <= {MOST_PERIODS}"
    ).fetchall()
    for site, report, period, revision, totals, cut_off_at in rows:
        known = memory.pasts.setdefault((site, report), {})
        known[period] = _past(period, revision, totals or "", cut_off_at)


def _past(period: str, revision: int, totals: str, cut_off_at: datetime | None) -> Past:
    told = json.loads(totals) if totals else {}
    return Past(period, revision, {n: Decimal(v) for n, v in told.items()}, cut_off_at)
