"""Red flags as data: cases of few rows, delivered into one lake and judged together.

``tests/red_flags/*.yaml`` holds the cases, by rule (a rule of the file's own feed, or
``feed.rule``). A row says only what matters; the rest comes from ``DEFAULTS``. Every case has
collectives, persons and firms of its own, so that no case sees another's rows: ``{org}``,
``{org2}``, ``{id1}``, ``{id2}``, ``{firm1}``, ``{serial}`` (six digits) and ``{case}`` are filled
in, ``{n}`` is the row's number in its feed, and ``times: 8`` repeats a row.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from dagster_project.contracts import feed_order, load
from dagster_project.contracts.model import Contracts
from dagster_project.paths import PROJECT
from dagster_project.quality.table_rules import evaluate, forget
from dagster_project.simulate.identifiers import credit_code, organ_body, resident_id
from dagster_project.transform.conform import compile_feed
from tests.conform_kit import Bench, Row

DAY = date(2023, 5, 31)
FOLDER = PROJECT / "tests" / "red_flags"
TOWN, VILLAGE = "140321100000", "140321100001"
GRID = f"{VILLAGE}001"
GROUND: Mapping[str, Sequence[Row]] = {
    "division": [
        {"code": TOWN, "name": "冠山镇", "level": "town"},
        {"code": VILLAGE, "name": "东关村", "level": "village", "parent_code": TOWN},
    ],
    "grid": [
        {"grid_code": GRID, "grid_name": "第1网格", "grid_type": "1", "level": "4"}
        | {"village_code": VILLAGE, "status": "1", "valid_from": "2022-11-01"}
    ],
}
DEFAULTS: Mapping[str, Row] = {
    "collective_org": {
        "org_code": "{org}",
        "name": "测试合作社",
        "org_level": "2",
        "village_code": VILLAGE,
        "town_code": TOWN,
        "books_separated": "1",
        "status": "1",
    },
    "payment": {
        "pay_no": "{case}-{n}",
        "org_code": "{org}",
        "apply_date": "2023-03-01",
        "amount": "500.00",
        "pay_method": "1",
        "payee_name": "赵砚翀",
        "payee_account": "88{serial}",
        "purpose": "水利设施维修",
        "account_code": "541",
        "approval_level": "1",
        "status": "40",
        "meeting_record": "1",
        "update_time": "2023-05-01 10:00:00",
    },
    "payment_approval": {
        "pay_no": "{case}-1",
        "step": "{n}",
        "role": "1",
        "approver": "钱霁骞",
        "result": "1",
        "approve_time": "2023-03-02 10:00:00",
    },
    "org_officer": {
        "org_code": "{org}",
        "name": "孙珩旖",
        "post": "01",
        "start_date": "2021-01-01",
    },
    "member": {
        "org_code": "{org}",
        "name": "李翊泠",
        "identity_date": "2019-06-30",
        "status": "1",
    },
    "equity": {"org_code": "{org}", "equity_type": "1", "shares": "10", "ratio": "1"},
    "population": {
        "person_no": "{case}-{n}",
        "cert_type": "111",
        "name": "周昀沄",
        "sex": "1",
        "nation": "01",
        "pop_type": "01",
        "is_resident": "1",
        "addr_text": "东关村1号",
        "village_code": VILLAGE,
        "grid_code": GRID,
        "status": "1",
        "update_time": "2023-05-01 10:00:00",
    },
    "market_entity": {
        "name": "宏昌建材有限公司",
        "entity_type": "1",
        "found_date": "2015-01-01",
        "approve_date": "2015-01-01",
        "status": "1",
        "update_time": "2023-05-01 10:00:00",
    },
    "contract": {
        "contract_no": "{case}-{n}",
        "org_code": "{org}",
        "contract_type": "1",
        "object_type": "1",
        "object_no": "{case}-Z{n}",
        "party_b_name": "吴翃洵",
        "sign_date": "2022-01-01",
        "start_date": "2022-01-01",
        "end_date": "2024-12-31",
        "total_amount": "9000.00",
        "tendered": "1",
        "status": "1",
    },
    "contract_due": {
        "contract_no": "{case}-1",
        "due_date": "2023-05-20",
        "due_amount": "100.00",
    },
    "resource": {
        "parcel_no": "{case}-Z{n}",
        "org_code": "{org}",
        "resource_type": "01",
        "area_mu": "10.00",
        "use_mode": "3",
    },
    "asset": {
        "asset_no": "{case}-{n}",
        "org_code": "{org}",
        "name": "厂房",
        "asset_class": "1",
        "state": "1",
        "location": "东关村",
        "photo": "ZP1",
    },
    "bank_account": {
        "account_no": "11{serial}",
        "org_code": "{org}",
        "bank": "农村商业银行",
        "account_type": "1",
    },
    "voucher_line": {
        "org_code": "{org}",
        "period": "202305",
        "voucher_no": "记0001",
        "line_no": "1",
        "account_code": "102",
        "scheme": "2004",
        "debit": "10.00",
    },
    "ledger_balance": {
        "org_code": "{org}",
        "period": "202305",
        "account_code": "102",
        "scheme": "2004",
        "opening": "0.00",
        "debit": "0.00",
        "credit": "0.00",
        "closing": "0.00",
    },
    "property_txn": {
        "txn_no": "{case}-{n}",
        "category": "04",
        "org_code": "{org}",
        "object_name": "厂房出租",
        "bidders_cnt": "3",
        "deal_price": "100.00",
        "deal_date": "2023-03-01",
        "status": "60",
    },
    "txn_bidder": {"txn_no": "{case}-1", "bidder_no": "{n}", "bidder_name": "郑骁浠"},
}


@dataclass(frozen=True)
class Case:
    """A few rows of one collective, and the records of them that a rule must name."""

    id: str
    feed: str
    rule: str
    flag: str
    rows: Mapping[str, Sequence[Mapping[str, Any]]]
    names: tuple[str, ...]
    number: int

    @property
    def words(self) -> dict[str, str]:
        """What is filled into its texts."""
        first, second = self.number * 2, self.number * 2 + 1
        return {
            "case": f"C{self.number:03d}",
            "serial": f"{self.number:06d}",
            "org": credit_code("N2140321", organ_body(first, "MF")),
            "org2": credit_code("N2140321", organ_body(second, "MF")),
            "firm1": credit_code("91140321", organ_body(first)),
            "id1": resident_id(140303, date(1970, 1, 1 + self.number % 28), 1 + first),
            "id2": resident_id(140303, date(1990, 1, 1 + self.number % 28), 1 + first),
        }

    @property
    def named(self) -> set[str]:
        """The keys of the records that must be named."""
        return {name.format(**self.words) for name in self.names}

    def is_mine(self, key: str) -> bool:
        """Whether a record belongs to this case."""
        words = self.words
        own = (f"{words['case']}-", words["org"], words["org2"])
        return key.startswith(own) or key in {f"{n}{words['serial']}" for n in (11, 12)}

    def deliveries(self) -> Iterator[tuple[str, Row]]:
        """Its rows by feed, its collectives among them."""
        rows = {"collective_org": [{}], **self.rows}
        rows["collective_org"] = [*rows["collective_org"], {"org_code": "{org2}"}]
        for feed, sent in rows.items():
            repeated = [row for row in sent for _ in range(int(row.get("times", 1)))]
            for number, row in enumerate(repeated, 1):
                yield feed, self._whole(feed, row, number)

    def _whole(self, feed: str, row: Mapping[str, Any], number: int) -> Row:
        cells = {**DEFAULTS[feed], **{k: v for k, v in row.items() if k != "times"}}
        words = {**self.words, "n": str(number)}
        made = {k: None if v is None else str(v).format(**words) for k, v in cells.items()}
        if feed == "population":
            known = made["id_no"] or ""
            made["birth_date"] = f"{known[6:10]}-{known[10:12]}-{known[12:14]}"
        return made


@cache
def contracts() -> Contracts:
    """Everything below ``schemas``, read once."""
    return load(PROJECT / "schemas")


@cache
def cases() -> tuple[Case, ...]:
    """Every case of every rule: first what breaks it, then what nearly does."""
    return tuple(_cases())


def _cases() -> Iterator[Case]:
    number = 0
    for path in sorted(FOLDER.glob("*.yaml")):
        for name, told in yaml.safe_load(path.read_text(encoding="utf-8")).items():
            feed, _, rule = name.rpartition(".")
            for kind in ("breaks", "passes"):
                for nth, case in enumerate(told[kind], 1):
                    number += 1
                    yield Case(
                        id=f"{rule}-{kind}{nth}",
                        feed=feed or Path(path).stem,
                        rule=rule,
                        flag=told["flag"],
                        rows=case["rows"],
                        names=tuple(case.get("names", ())),
                        number=number,
                    )


def found_in(bench: Bench) -> dict[tuple[str, str], set[str]]:
    """Deliver every case's rows, one delivery a feed, and ask every rule that has a case.

    Returns:
        The keys of the records that each rule names.

    Raises:
        AssertionError: A row was rejected: the case tests something else than its rule.
    """
    rows: dict[str, list[Row]] = {feed: list(ground) for feed, ground in GROUND.items()}
    for case in cases():
        for feed, row in case.deliveries():
            rows.setdefault(feed, []).append(row)
    with bench.writer.transaction("every case") as tx:
        for name in (name for name in feed_order(contracts()) if name in rows):
            plan = compile_feed(contracts().feeds[name], contracts())
            counts = bench.take(tx.con, plan, rows[name])
            wrong = "SELECT DISTINCT reasons FROM lake.ops.quarantine"
            assert not counts.rejected, f"{name}: {bench.all(wrong)}"
    asked: dict[str, set[str]] = {}
    for case in cases():
        asked.setdefault(case.feed, set()).add(case.rule)
    for name, rules in asked.items():
        judged = contracts().feeds[name]
        chosen = [rule for rule in judged.table_rules if rule.id in rules]
        evaluate(bench.con, judged, chosen, DAY)
    broken = bench.all("SELECT feed, rule_id, record_key FROM temp.breaking")
    forget(bench.con)
    named: dict[tuple[str, str], set[str]] = {}
    for feed_name, rule_id, key in broken:
        named.setdefault((feed_name, rule_id), set()).add(key)
    return named
