"""The form of a receipt, and what a receiver refuses."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest

from dagster_project.errors import PackageError
from dagster_project.lineage.rates import rate_faults
from dagster_project.protocol.canonical import canonical_json, sha256_bytes
from dagster_project.protocol.manifest import Header
from dagster_project.protocol.receipt import as_file, read_receipt, receipt_of

SQL = "SELECT town_code FROM gold.town"
HASH = hashlib.sha256(SQL.encode()).hexdigest()
SAME: dict[str, Any] = {
    "package_id": "140321-town-202305-r1",
    "period": "202305",
    "revision": 1,
    "contract_version": "1.0.0",
    "contract_hash": "c" * 64,
    "sql_hash": HASH,
    "snapshot": 7,
    "cut_off_at": "2023-05-31T12:00:00Z",
    "rows": 3,
    "content_hash": "a" * 64,
}
MADE = {"sql": SQL, "sql_hash": HASH, "contract_version": "1.0.0", "contract_hash": "c" * 64}
COUNTS = dict.fromkeys(("read", "accepted", "rejected", "duplicate", "superseded", "dropped"), 0)
RECEIPT: dict[str, Any] = {
    "format": "countylake-receipt/1",
    "receipt_no": 1,
    "previous_hash": "",
    "site_code": "140321",
    "table": "report.town",
    **SAME,
    "parameters": {
        "cut_off_at": "2023-05-31 12:00:00+00:00",
        "day": "2023-05-31",
        "site_code": "140321",
    },
    "models": [{"table": "report.town", **MADE}],
    "inputs": [{"table": "silver.division", "rows": 3, "content_hash": "b" * 64}],
    "feeds": [
        {
            "feed": "division",
            "contract_version": "2.0.0",
            "contract_hash": "e" * 64,
            "batches": [],
            "others": {"count": 0, "live": 0, "counts": COUNTS, "hash": ""},
            "open_cases": 0,
        }
    ],
    "rules": [],
    "held": [],
    "small_cells": None,
    "programme": dict.fromkeys(
        ("countylake", "python", "duckdb", "ducklake", "pyarrow", "sqlglot"), "1.0"
    ),
}


def told(**changes: Any) -> dict[str, Any]:
    """A receipt as a file has it, with the hash that belongs to it."""
    rest = {**RECEIPT, **changes}
    return {**rest, "receipt_hash": sha256_bytes(canonical_json(rest))}


def header(receipt: dict[str, Any], **changes: Any) -> Header:
    """The signed header of the receipt's package."""
    said = {
        **SAME,
        "package_no": 1,
        "sender": "140321",
        "sender_name": "平定县",
        "recipient": "140300",
        "report": "town",
        "replaces": "",
        "reason": "",
        "previous_hash": "",
        "sealed_at": "2023-05-31T12:30:00Z",
        "receipt_hash": receipt["receipt_hash"],
        "writer": "pyarrow",
    }
    return Header(**{**said, **changes})


def filed(*receipts: dict[str, Any]) -> bytes:
    """The bytes of ``receipts.json``."""
    return canonical_json({"receipts": list(receipts)})


def test_what_was_written_is_read() -> None:
    """A receipt goes round without a change."""
    receipt = receipt_of(filed(told()), header(told()))
    assert as_file(receipt) == filed(told())
    assert read_receipt(told()).receipt_hash == told()["receipt_hash"]


@pytest.mark.parametrize("name", sorted({*SAME, "site_code", "table"}))
def test_a_receipt_of_another_package_is_refused(name: str) -> None:
    """Its own hash may hold: what it says must be what the header says, too."""
    other: dict[str, Any] = {
        "revision": 2,
        "snapshot": 8,
        "rows": 4,
        "period": "202306",
        "cut_off_at": "2023-05-31T12:00:01Z",
        "site_code": "140322",
        "table": "report.other",
        "package_id": "140321-town-202305-r2",
    }
    receipt = told(**{name: other.get(name, "f" * 64)})
    with pytest.raises(PackageError, match="another package"):
        receipt_of(filed(receipt), header(receipt))


def _with(**changes: Any) -> Callable[[], bytes]:
    return lambda: filed({**told(), **changes})


@pytest.mark.parametrize(
    "data",
    [
        lambda: b"{",
        lambda: filed(told()) + b"\n",
        lambda: canonical_json([told()]),
        lambda: canonical_json({"receipts": {}}),
        lambda: canonical_json({"receipts": [told()], "more": 1}),
        filed,
        lambda: filed(told(), told()),
        lambda: filed(told(more=1)),
        lambda: filed(told(rows="3")),
        lambda: filed(told(models=[])),
        lambda: filed(told(models=[{"table": "report.town", **MADE, "sql": f"{SQL} "}])),
        lambda: filed(told(inputs=[{"table": "silver.x", "rows": -1, "content_hash": "b" * 64}])),
        _with(rows=4),
        _with(receipt_hash="0" * 64),
        _with(receipt_hash=None),
    ],
)
def test_what_is_not_the_signed_receipt_is_refused(data: Callable[[], bytes]) -> None:
    """Other spellings, other forms, other numbers of receipts, other hashes."""
    with pytest.raises(PackageError):
        receipt_of(data(), header(told()))


def test_a_package_cannot_hide_its_receipt() -> None:
    """A receipt whose hash was not signed is refused as well as one that is missing."""
    with pytest.raises(PackageError, match="not the one that was signed"):
        receipt_of(filed(told()), header({"receipt_hash": ""}))
    with pytest.raises(PackageError, match="0 receipts"):
        receipt_of(filed(), header(told()))
    with pytest.raises(PackageError, match="0 receipts"):
        receipt_of(filed(), header({"receipt_hash": ""}))


RATE = {
    "column": "good_pct",
    "rule": "half_up",
    "numerator": "good_cnt",
    "denominator": "in_use_cnt",
    "scale": 2,
    "times": 100,
}


def test_rounding_is_said_and_signed() -> None:
    """It goes round, and another rule is another receipt; older receipts say nothing of it."""
    said = told(rounding=[RATE])
    receipt = receipt_of(filed(said), header(said))
    assert as_file(receipt) == filed(said)
    assert receipt.rounding[0].rule == "half_up"
    other = read_receipt(told(rounding=[{**RATE, "rule": "truncate"}]))
    assert len({other.receipt_hash, receipt.receipt_hash, told()["receipt_hash"]}) == 3
    assert "rounding" not in read_receipt(told()).told()


@pytest.mark.parametrize("word", [{"rule": "up"}, {"scale": -1}, {"column": "Good"}, {"by": "x"}])
def test_a_rounding_of_another_form_is_refused(word: dict[str, Any]) -> None:
    """A receiver believes no word that it does not know."""
    with pytest.raises(PackageError, match="agreed form"):
        read_receipt(told(rounding=[{**RATE, **word}]))


def test_rates_are_held_against_their_rule() -> None:
    """A rate that is off by a hundredth is named with its row; a blanked one is not judged."""
    rounding = read_receipt(told(rounding=[RATE])).rounding
    rates = [Decimal("66.67"), None, None, Decimal("50.00")]
    rows = pa.table({"good_pct": rates, "good_cnt": [2, 0, None, 1], "in_use_cnt": [3, 0, 5, 2]})
    assert rate_faults(rounding, rows) == []
    spoiled = rows.set_column(0, "good_pct", [[Decimal("66.66"), None, None, Decimal("50.00")]])
    (fault,) = rate_faults(rounding, spoiled)
    assert "in 1 rows (1) it is not good_cnt ÷ in_use_cnt" in fault
    (lacking,) = rate_faults(rounding, rows.drop_columns(["in_use_cnt"]))
    assert "lacks" in lacking
