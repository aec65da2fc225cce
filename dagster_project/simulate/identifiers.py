"""Invented numbers that pass their standards' checks: ids, credit codes, cards, phones.

This is the simulator's own implementation, on purpose: what it writes is the yardstick for the
checks of the other rooms, so it shares no code with them.
"""

from __future__ import annotations

from datetime import date

import numpy as np
import polars as pl

from dagster_project.simulate.rng import Ints, Stream

_ID_WEIGHTS = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
_ID_CHECKS = "10X98765432"
_CREDIT = "0123456789ABCDEFGHJKLMNPQRTUWXY"
_ORGAN = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
_ORGAN_WEIGHTS = (3, 7, 9, 10, 5, 8, 4, 2)


def resident_ids(area: Ints, birth: Ints, sequence: Ints) -> pl.Series:
    """18-character resident ids (GB 11643-1999).

    Args:
        area: Six-digit division codes.
        birth: Birth dates as YYYYMMDD.
        sequence: 0..999; odd for men.
    """
    body = area * 10**11 + birth * 1000 + sequence
    total = np.zeros_like(body)
    for place, weight in enumerate(_ID_WEIGHTS):
        total += (body // 10 ** (16 - place) % 10) * weight
    checks = np.array(list(_ID_CHECKS))[total % 11]
    return pl.Series(body).cast(pl.String) + pl.Series(checks.tolist(), dtype=pl.String)


def resident_id(area: int, birth: date, sequence: int) -> str:
    """One resident id."""
    one = [np.array([n], dtype=np.int64) for n in (area, int(f"{birth:%Y%m%d}"), sequence)]
    return str(resident_ids(*one)[0])


def id_check(body: str) -> str:
    """The check character of 17 digits."""
    total = sum(int(c) * w for c, w in zip(body, _ID_WEIGHTS, strict=True))
    return _ID_CHECKS[total % 11]


def credit_code(prefix: str, organ: str) -> str:
    """An 18-character unified social credit code (GB 32100-2015).

    Args:
        prefix: Registrar, category and division: eight characters.
        organ: The organisation's own eight characters (GB 11714); its check is added.
    """
    inner = sum(_ORGAN.index(c) * w for c, w in zip(organ, _ORGAN_WEIGHTS, strict=True))
    check = (11 - inner % 11) % 11
    body = prefix + organ + ("X" if check == 10 else str(check))
    total = sum(_CREDIT.index(c) * pow(3, place, 31) for place, c in enumerate(body))
    return body + _CREDIT[(31 - total % 31) % 31]


def organ_body(number: int, head: str = "MA") -> str:
    """Eight characters of an invented organisation code: two letters and a number in base 31."""
    text = ""
    for _ in range(6):
        number, digit = divmod(number, len(_CREDIT))
        text = _CREDIT[digit] + text
    return head + text


def luhn_check(body: str) -> str:
    """The check digit of a bank card's other digits (ISO/IEC 7812)."""
    total = 0
    for place, char in enumerate(reversed(body)):
        digit = int(char) * (2 if place % 2 == 0 else 1)
        total += digit - 9 if digit > 9 else digit
    return str(-total % 10)


def bank_card(stream: Stream, index: int) -> str:
    """A 19-digit card number that passes Luhn; the issuer number is a common one."""
    body = "622848" + f"{stream.one(index, 10**12):012d}"
    return body + luhn_check(body)


def phones(stream: Stream, index: Ints) -> pl.Series:
    """Mobile numbers, 11 digits."""
    heads = np.array([133, 135, 138, 139, 150, 153, 158, 159, 176, 177, 180, 186, 187, 189, 199])
    head = heads[stream.of("head").below(index, len(heads))]
    return pl.Series(head * 10**8 + stream.of("tail").below(index, 10**8)).cast(pl.String)
