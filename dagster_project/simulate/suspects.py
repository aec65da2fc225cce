"""Suspicious rows of each feed of the three assets; each plant tells which records it makes.

A plant takes the feed's true rows and gives them back with some added or changed. Rows that are
added are copies of true ones, so that everything about them but the suspicion is ordinary.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

import polars as pl

from dagster_project.simulate.county import County
from dagster_project.simulate.plants import Cells

_PERSON = ["org_code", "id_no"]
Named = dict[str, list[str]]
"""``feed.rule`` and the keys of the records that it must name."""


@dataclass(frozen=True)
class Scene:
    """The county, and the feeds that are made already."""

    county: County
    made: dict[str, pl.DataFrame]

    def ago(self, days: int) -> str:
        """The day so many days before the files' day."""
        return (self.county.day - timedelta(days=days)).isoformat()

    def ahead(self, days: int) -> str:
        """The day so many days after it."""
        return self.ago(-days)


SuspectPlant = Callable[[Scene, pl.DataFrame], tuple[pl.DataFrame, Named]]


def _with(truth: pl.DataFrame, rows: Sequence[Cells]) -> pl.DataFrame:
    """The rows, with some added behind them."""
    return pl.concat([truth, pl.DataFrame(list(rows), schema=truth.schema)])


def _set(truth: pl.DataFrame, at: pl.Expr, **cells: str | pl.Expr | None) -> pl.DataFrame:
    """The rows, with cells changed where ``at`` holds."""
    values = {n: v if isinstance(v, pl.Expr) else pl.lit(v, pl.String) for n, v in cells.items()}
    return truth.with_columns(
        pl.when(at).then(value).otherwise(pl.col(name)).alias(name)
        for name, value in values.items()
    )


def _payments(scene: Scene, truth: pl.DataFrame) -> tuple[pl.DataFrame, Named]:
    """Payments that wait for their approval; each rule has rows of a payee of its own."""
    model = truth.filter(pl.col("status") == "50").row(0, named=True)
    plain = _waiting(scene, model)
    others = truth.filter(
        pl.col("payee_account").is_not_null() & (pl.col("org_code") != model["org_code"])
    )
    payees = others.unique("payee_account", keep="first", maintain_order=True).select(
        "payee_name", "payee_account", "payee_id_no", "payee_uscc"
    )
    rows: list[Cells] = []
    named: Named = {}

    def add(rule: str, payee: int, **cells: str | None) -> None:
        number = f"ZF{scene.county.code}8{len(rows):07d}"
        who = payees.row(payee, named=True)
        rows.append({**plain, **who, "pay_no": number, **cells})
        named.setdefault(f"payment.{rule}", []).append(number)

    cash: Cells = {"pay_method": "4", "payee_account": None}
    add("cash_over_limit", 0, **_amount("1000.01"), **cash)
    for day in (60, 57, 53):
        add("split_payments", 1, **_amount(f"15{day}.00", "1"), apply_date=scene.ago(day))
    for day in range(10):
        add("payee_frequency", 2, **_amount(f"10.0{day}"), apply_date=scene.ago(90 - 3 * day))
    for day in (200, 190, 180):
        add("round_amounts", 3 + day // 10 - 18, **_amount("20000.00"), apply_date=scene.ago(day))
    add("approval_level_too_low", 6, **_amount("10000.01", "2"))
    for payee in (7, 8):
        add(
            "invoice_used_twice",
            payee,
            **_amount("640.50"),
            invoice_no="12345678901234567890",
            apply_date=scene.ago(100 + payee),
        )
    for day in (330, 301):
        add("duplicate_payment", 9, **_amount("733.20"), apply_date=scene.ago(day))
    add("large_without_meeting", 10, **_amount("50000.01"), meeting_record="0")
    add("hospitality", 11, **_amount("480.00"), purpose="接待上级检查招待餐费")
    officer, kin = _officer_and_kin(scene)
    own: Cells = {"org_code": officer["org_code"], "payee_uscc": None, **_amount("310.00")}
    add("payee_is_officer", 12, **own, payee_id_no=officer["id_no"])
    add("payee_in_officer_household", 13, **own, payee_id_no=kin)
    # Members of one household stand in one household of the police, too.
    named["payment.payee_in_officer_family"] = named["payment.payee_in_officer_household"]
    return _with(truth, rows), named


def _officer_and_kin(scene: Scene) -> tuple[Cells, str]:
    """An officer, and a member of the same household who holds no post."""
    officers, members = scene.made["org_officer"], scene.made["member"]
    homes = officers.join(members.select("org_code", "id_no", "household_no"), on=_PERSON)
    kin = (
        members.join(officers, on=_PERSON, how="anti")
        .join(homes, on=["org_code", "household_no"], suffix="_officer")
        .sort("org_code", "id_no")
        .row(0, named=True)
    )
    chosen = officers.filter(pl.col("id_no") == kin["id_no_officer"]).row(0, named=True)
    return chosen, str(kin["id_no"])


def _waiting(scene: Scene, model: Cells) -> Cells:
    """A payment like another one that nobody approved yet, and about which all is in order."""
    nothing = dict.fromkeys(
        ("pay_time", "voucher_no", "contract_no", "project_no", "invoice_no", "invoice_code")
    )
    return {
        **model,
        **nothing,
        "apply_date": scene.ago(40),
        "pay_method": "1",
        "status": "40",
        "meeting_record": "1",
        "purpose": "水利设施维修",
        "account_code": "541",
        "update_time": f"{scene.ago(20)} 10:00:00",
    }


def _amount(yuan: str, level: str = "") -> Cells:
    """An amount with the level of approval that it needs, if none is given."""
    limits = (2_000, 10_000, 50_000)
    needed = str(1 + sum(float(yuan) > limit for limit in limits))
    return {"amount": yuan, "approval_level": level or needed}


def _approvals(scene: Scene, truth: pl.DataFrame) -> tuple[pl.DataFrame, Named]:
    """One payment left before its last step, one lacks a step."""
    paid = scene.made["payment"].filter(pl.col("status") == "50")
    steps = truth.filter(pl.col("step") == "2").join(
        paid.select("pay_no", "pay_time", "amount"), on="pay_no"
    )
    early, lacking = steps.row(0, named=True), steps.row(1, named=True)
    after = f"{str(early['pay_time'])[:10]} 23:59:59"
    is_early = (pl.col("pay_no") == early["pay_no"]) & (pl.col("step") == "2")
    is_lacking = (pl.col("pay_no") == lacking["pay_no"]) & (pl.col("step") == "1")
    return _set(truth.filter(~is_lacking), is_early, approve_time=after), {
        "payment.paid_before_approved": [early["pay_no"]],
        "payment.approval_step_missing": [lacking["pay_no"]],
    }


def _contracts(scene: Scene, truth: pl.DataFrame) -> tuple[pl.DataFrame, Named]:
    """Contracts of works and leases, each with one thing wrong about it."""
    let = truth.filter((pl.col("contract_type") == "1") & (pl.col("status") == "1"))
    ended = truth.filter((pl.col("contract_type") == "1") & (pl.col("status") == "2"))
    twin, model = let.row(0, named=True), ended.row(0, named=True)
    # An asset that nobody rents: its number is beyond those of the ledger.
    free: Cells = {
        **model,
        "object_no": None,
        "area": None,
        "sign_date": scene.ago(700),
        "start_date": scene.ago(690),
        "end_date": scene.ahead(400),
        "annual_rent": "3000.00",
        "total_amount": "9000.00",
        "appraisal_amount": None,
        "transaction_no": None,
        "tendered": "1",
        "status": "1",
    }
    land: Cells = {"contract_type": "2", "object_type": "2"}
    rows: list[Cells] = []
    named: Named = {}

    def add(rule: str, **cells: str | None) -> None:
        number = f"HT{scene.county.code}8{len(rows):06d}"
        thing = f"ZC{scene.county.code}8{len(rows):06d}"
        rows.append({**free, "contract_no": number, "object_no": thing, **cells})
        named.setdefault(f"contract.{rule}", []).append(number)

    add("lease_within_20_years", end_date=_years(scene.ago(690), 20, 1))
    add("land_term_too_long", **land, end_date=_years(scene.ago(690), 30, 1))
    add("price_below_appraisal", appraisal_amount="10000.01")
    large: Cells = {"total_amount": "50000.00", "appraisal_amount": "50000.00"}
    add("large_without_appraisal", **large | {"appraisal_amount": None})
    add("large_without_tender", **large, tendered="0")
    add("expiring_in_90_days", end_date=scene.ahead(60))
    add("expiring_in_30_days", end_date=scene.ahead(30))
    add("expired_still_used", end_date=scene.ago(1))
    same = {n: twin[n] for n in ("org_code", "contract_type", "object_type", "object_no", "area")}
    add("let_twice", **same, start_date=twin["start_date"], end_date=twin["end_date"])
    named["contract.let_twice"].append(str(twin["contract_no"]))
    add("traded_off_platform", **large, sign_date=scene.ago(60), start_date=scene.ago(20))
    add("transaction_unknown", transaction_no=f"CQ{scene.county.code}999999")
    add("income_without_plan")
    return _with(truth, rows), named


def _years(day: str, years: int, days: int) -> str:
    """A day so many years and days later."""
    start = date.fromisoformat(day)
    return (date(start.year + years, start.month, start.day) + timedelta(days)).isoformat()


def _plan(scene: Scene, truth: pl.DataFrame) -> tuple[pl.DataFrame, Named]:
    """Rents that are late by one day more than allowed, and one that nobody booked.

    Every suspicious contract but the one without a plan gets a rent that is not due yet.
    """
    contracts = scene.made["contract"]
    suspicious = contracts.filter(pl.col("contract_no").str.contains(r"8\d{6}$"))
    numbers = suspicious["contract_no"].to_list()
    nothing = dict.fromkeys(truth.columns)
    ahead = [
        {**nothing, "contract_no": number, "due_date": scene.ahead(90), "due_amount": "3000.00"}
        for number in numbers[:-1]
    ]
    named: Named = {}
    for rule, days in (("yellow", 31), ("orange", 91), ("red", 181)):
        late = {**ahead[0], "due_date": scene.ago(days), "paid_amount": "2999.99"}
        ahead.append({**late, "paid_date": scene.ago(days), "voucher_no": None})
        named[f"contract_due.rent_overdue_{rule}"] = [f"{numbers[0]}|{scene.ago(days)}"]
    booked = truth.filter(
        pl.col("voucher_no").is_not_null()
        & (pl.col("paid_date") < scene.ago(31))
        & (pl.col("paid_amount") == pl.col("due_amount"))
    ).row(0, named=True)
    key = (pl.col("contract_no") == booked["contract_no"]) & (
        pl.col("due_date") == booked["due_date"]
    )
    named["contract_due.income_not_booked"] = [f"{booked['contract_no']}|{booked['due_date']}"]
    # What is late was paid in part and never booked, either.
    named["contract_due.income_not_booked"] += [
        f"{numbers[0]}|{scene.ago(days)}" for days in (31, 91, 181)
    ]
    return _with(_set(truth, key, voucher_no=None), ahead), named


def _vouchers(scene: Scene, truth: pl.DataFrame) -> tuple[pl.DataFrame, Named]:
    """One voucher that does not balance, and one whose number leaves a gap."""
    last = truth.filter(pl.col("voucher_no").str.starts_with("记")).row(-1, named=True)
    old = truth.filter(
        pl.col("voucher_no").str.starts_with("收") & (pl.col("period") < f"{scene.county.day:%Y}01")
    ).row(0, named=True)
    head = {"org_code": old["org_code"], "period": old["period"], "voucher_no": "转0002"}
    amount = {"account_code": "541", "scheme": "2004", "summary": "结转", "attach_cnt": "1"}
    gap: list[Cells] = [
        {**last, **head, **amount, "line_no": "1", "debit": "10.00", "credit": None},
        {**last, **head, **amount, "line_no": "2", "debit": None, "credit": "10.00"},
    ]
    uneven = {"org_code": old["org_code"], "period": old["period"], "voucher_no": "付0001"}
    gap += [
        {**last, **uneven, **amount, "line_no": "1", "debit": "10.01", "credit": None},
        {**last, **uneven, **amount, "line_no": "2", "debit": None, "credit": "10.00"},
    ]
    key, broken = "|".join(map(str, head.values())), "|".join(map(str, uneven.values()))
    return _with(truth, gap), {
        "voucher_line.voucher_number_gap": [f"{key}|1"],
        "voucher_line.voucher_balanced": [f"{broken}|1", f"{broken}|2"],
    }


def _assets(scene: Scene, truth: pl.DataFrame) -> tuple[pl.DataFrame, Named]:
    """One asset without a photo, one that has been idle for more than a year."""
    plain = truth.filter(pl.col("state") == "1")
    unseen, idle = plain["asset_no"][0], plain["asset_no"][1]
    made = _set(truth, pl.col("asset_no") == unseen, photo=None)
    since = scene.ago(366)
    made = _set(made, pl.col("asset_no") == idle, state="3", idle_since=since, acquire_date=since)
    return made, {"asset.asset_not_located": [unseen], "asset.idle_too_long": [idle]}


def _balances(_scene: Scene, truth: pl.DataFrame) -> tuple[pl.DataFrame, Named]:
    """A bank and a ledger that differ by two cents, and too much cash in the safe.

    Bank and ledger are compared from the fourth day on.
    """
    bank = truth.filter(pl.col("account_code") == "102").row(0, named=True)
    cash = truth.filter(pl.col("account_code") == "101").row(1, named=True)
    amounts = pl.col("opening", "closing").cast(pl.Decimal(18, 2))
    more = {"102": ("0.02", bank["org_code"]), "101": ("5000.00", cash["org_code"])}
    for account, (yuan, org) in more.items():
        at = (pl.col("account_code") == account) & (pl.col("org_code") == org)
        step = pl.lit(yuan).cast(pl.Decimal(18, 2))
        raised = truth.select((amounts + step).cast(pl.String))
        truth = truth.with_columns(
            pl.when(at).then(raised[name]).otherwise(pl.col(name)).alias(name)
            for name in ("opening", "closing")
        )
    return truth, {
        "ledger_balance.bank_differs_from_ledger": [f"{bank['org_code']}|{bank['period']}|102"],
        "ledger_balance.cash_balance_over_limit": [f"{cash['org_code']}|{cash['period']}|101"],
    }


def _deals(_scene: Scene, truth: pl.DataFrame) -> tuple[pl.DataFrame, Named]:
    """A deal with one bidder, one below its reserve, one purchase above its ceiling."""
    done = truth.filter(pl.col("deal_price").is_not_null())
    sold = done.filter(~pl.col("category").is_in(["01", "02"])).tail(2)
    model = sold.row(0, named=True)
    dear: Cells = {
        **model,
        "txn_no": f"{str(model['txn_no'])[:8]}800000",
        "category": "01",
        "reserve_price": "1000.00",
        "deal_price": "1000.01",
        "object_no": None,
        "appraisal_amount": None,
    }
    lone, cheap = sold["txn_no"].to_list()
    truth = _set(truth, pl.col("txn_no") == lone, bidders_cnt="1")
    truth = _set(truth, pl.col("txn_no") == cheap, deal_price="1.00")
    return _with(truth, [dear]), {
        "property_txn.deal_above_ceiling": [str(dear["txn_no"])],
        "property_txn.single_bidder": [lone],
        "property_txn.deal_below_reserve": [cheap],
    }


def _bidders(_scene: Scene, truth: pl.DataFrame) -> tuple[pl.DataFrame, Named]:
    """Two bidders of one transaction at one address."""
    first = truth.row(0, named=True)
    both = (pl.col("txn_no") == first["txn_no"]) & pl.col("bidder_no").is_in(["1", "2"])
    made = _set(truth, both, ip=first["ip"])
    return made, {"txn_bidder.related_bidders": [f"{first['txn_no']}|{n}" for n in (1, 2)]}


def _members(_scene: Scene, truth: pl.DataFrame) -> tuple[pl.DataFrame, Named]:
    """One person who is a member of two collectives."""
    first, last = truth.row(0, named=True), truth.row(-1, named=True)
    place = truth.filter(pl.col("status") == "1").row(0, named=True)
    twin: Cells = {**place, "org_code": last["org_code"], "household_no": first["household_no"]}
    keys = [f"{row['org_code']}|{row['id_no']}" for row in (place, twin)]
    return _with(truth, [twin]), {"member.member_of_two_collectives": keys}


def _shares(scene: Scene, truth: pl.DataFrame) -> tuple[pl.DataFrame, Named]:
    """Somebody who left and was paid a dividend, and a collective with shares left over."""
    left = scene.made["member"].filter(pl.col("exit_date") < scene.ago(200))
    paid = {"dividend_year": "2022", "dividend_amount": "90.00", "dividend_date": scene.ago(160)}
    named: Named = {}
    for status, rules in (("2", _LEFT[:1]), ("3", _LEFT)):
        for row in left.filter(pl.col("status") == status).head(1).iter_rows(named=True):
            truth = _set(truth, _is_person(row), **paid)
            for rule in rules:
                named.setdefault(rule, []).append(f"{row['org_code']}|{row['id_no']}|1")
    uneven = truth.row(0, named=True)
    truth = _set(truth, _is_person(uneven), ratio="0.000000000000")
    return truth, {**named, "collective_org.shares_add_up": [str(uneven["org_code"])]}


_LEFT = ("equity.dividend_after_leaving", "equity.dividend_after_death")


def _is_person(row: Cells) -> pl.Expr:
    return (pl.col("org_code") == row["org_code"]) & (pl.col("id_no") == row["id_no"])


def _land(scene: Scene, truth: pl.DataFrame) -> tuple[pl.DataFrame, Named]:
    """A collective with reserved land and next to no farmland: more than was ever confirmed."""
    orgs = scene.made["collective_org"]
    sizes = dict(zip(orgs["org_code"], orgs["confirmed_area"], strict=True))
    last = truth.row(-1, named=True)
    area = f"{float(str(sizes[last['org_code']])) + 1:.2f}"
    number = f"DK{scene.county.code}8000000"
    more: Cells = {**last, "parcel_no": number, "resource_type": "08", "area_mu": area}
    more |= {"confirmed_area": area, "use_mode": "2", "right_until": None}
    org = str(last["org_code"])
    return _with(truth, [more]), {
        "collective_org.parcels_within_confirmed": [org],
        "collective_org.reserved_land_over_share": [org],
    }


SUSPECTS: Mapping[str, Sequence[SuspectPlant]] = {
    "payment": (_payments,),
    "payment_approval": (_approvals,),
    "contract": (_contracts,),
    "contract_due": (_plan,),
    "voucher_line": (_vouchers,),
    "asset": (_assets,),
    "resource": (_land,),
    "ledger_balance": (_balances,),
    "property_txn": (_deals,),
    "txn_bidder": (_bidders,),
    "member": (_members,),
    "equity": (_shares,),
}
