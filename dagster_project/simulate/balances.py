"""The ledgers' balances of cash and bank at the end of the last month."""

from __future__ import annotations

import polars as pl

from dagster_project.simulate.collective import Collectives
from dagster_project.simulate.text import month_end

_CASH, _BANK = "101", "102"
_MOST_CASH = 400_000  # cents that a collective keeps in its safe at most
_CENTS = 100


def balance_rows(orgs: Collectives, vouchers: pl.DataFrame) -> pl.DataFrame:
    """The rows of ``ledger_balance``: they agree with the vouchers and with the banks."""
    period = f"{month_end(orgs.county.day):%Y%m}"
    owners = orgs.codes.gather(orgs.online)
    draw = orgs.county.random.of("safe")
    safe = pl.DataFrame(
        {
            "org_code": owners,
            "account_code": _CASH,
            "closing": draw.below(orgs.online, _MOST_CASH),
        }
    )
    bank = (
        orgs.accounts()
        .filter(pl.col("org_code").is_in(owners.to_list()))
        .group_by("org_code", maintain_order=True)
        .agg(closing=_cents("balance").sum())
        .select("org_code", pl.lit(_BANK).alias("account_code"), "closing")
    )
    posted = (
        vouchers.filter(pl.col("period") == period)
        .group_by("org_code", "account_code")
        .agg(debit=_cents("debit").sum(), credit=_cents("credit").sum())
    )
    made = (
        pl.concat([safe, bank])
        .join(posted, on=["org_code", "account_code"], how="left", maintain_order="left")
        .with_columns(pl.col("debit", "credit").fill_null(0))
        .with_columns(opening=pl.col("closing") - pl.col("debit") + pl.col("credit"))
    )
    return made.select(
        "org_code",
        pl.lit(period).alias("period"),
        "account_code",
        pl.lit("2004").alias("scheme"),
        *(_yuan(name) for name in ("opening", "debit", "credit", "closing")),
    )


def _cents(column: str) -> pl.Expr:
    text = pl.col(column).str.replace(".", "", literal=True)
    return text.cast(pl.Int64).fill_null(0)


def _yuan(column: str) -> pl.Expr:
    size = pl.col(column).abs()
    sign = pl.when(pl.col(column) < 0).then(pl.lit("-")).otherwise(pl.lit(""))
    rest = (size % _CENTS).cast(pl.String).str.zfill(2)
    return pl.concat_str(sign, (size // _CENTS).cast(pl.String), pl.lit("."), rest).alias(column)
