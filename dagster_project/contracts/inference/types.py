"""A column's logical type, and the words that go with it, from how its cells are read.

Whether a column is a key, personal or of a list is decided elsewhere; what a cell means as a date
or a number was asked of conform when the profile was made.
"""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Any

from dagster_project.contracts.inference import titles
from dagster_project.contracts.inference.guess import (
    BELIEVED,
    EXPECTED,
    SUFFICIENT,
    Guess,
    percent,
)
from dagster_project.contracts.inference.profiles import ColumnProfile
from dagster_project.contracts.model import Column
from dagster_project.contracts.units import SPELLINGS, power

FORMATS = (("resident_id", 0.6), ("uscc", 0.8), ("phone", 0.8))
"""Formats with check digits or a shape of their own, and from which share on they are believed."""
IDENTIFIER = 15
"""Numbers of more digits are identifiers: no spreadsheet can hold them."""
FIXED = 6
"""Numbers of one width from so many digits on are codes, unless the title says what they count."""
SERIALS = 0.5
"""Days that are mostly a spreadsheet's numbers are days only where the title says so."""
TIMED = 0.05
"""From this share of times that are not midnight on, days are times."""
ROOM = (10, 20, 32, 50, 100, 200, 500, 1000, 2000, 4000, 20000)
"""Lengths that contracts give to texts; twice the longest seen is room enough."""
FEWEST, RARE = 6, 0.05
"""Fewer cells than this, of fewer rows than that, tell no type."""
FREE = 12
"""Texts that are longer are free text rather than codes."""
MONTHS = r"^(19|20)\d{2}(0[1-9]|1[0-2])$"
MOBILE = 11
DEGREES = {"longitude": ("73", "136"), "latitude": ("3", "54")}


def typed(profile: ColumnProfile, guess: Guess, known: Column | None) -> Guess:
    """The guess with its type; the first that the cells obey of: format, time, number, text."""
    if _is_bare(profile):
        return _by_title(guess, known)
    for decide in (_format, _time, _number):
        found = decide(profile, guess, known)
        if found is not None:
            return found
    return _text(profile, guess, known)


def _is_bare(profile: ColumnProfile) -> bool:
    """Whether a column has no value, or so few among many rows that they say nothing."""
    return profile.filled < FEWEST and profile.full < RARE


def _by_title(guess: Guess, known: Column | None) -> Guess:
    """A column without a value: what other contracts say, else what the title says."""
    why, title = "empty in the sample: by its title", guess.column.title
    if known is not None:
        unit = {"unit": known.unit} if known.type in {"integer", "decimal"} else {}
        return guess.said(
            "empty in the sample: as other contracts say", type=known.type,
            format=known.format, precision=known.precision, scale=known.scale,
            textual=known.textual, pattern=known.pattern, max_length=known.max_length,
            minimum=known.minimum, maximum=known.maximum, **unit,
        )  # fmt: skip
    if titles.TIME.search(title):
        return guess.said(why, type="timestamp")
    if titles.DAY.search(title):
        return guess.said(why, type="date")
    if titles.MONEY.search(title):
        return guess.said(why, type="decimal", unit="元")
    if titles.COUNT.search(title):
        return guess.said(why, type="integer")
    is_text = bool(titles.TEXT.search(title))
    ask = "the sample has no value: check type and length"
    return guess.said(why, ask, textual=is_text, max_length=200 if is_text else 50)


def _format(profile: ColumnProfile, guess: Guess, known: Column | None) -> Guess | None:
    for name, share in FORMATS:
        found = profile.fit(name)
        wanted = EXPECTED / 2 if known and known.format == name else share
        # Numbers of things may look like telephone numbers.
        coded = name == "phone" and titles.CODE.search(guess.column.title)
        if found >= wanted and (not coded or profile.shape.wide == MOBILE):
            return guess.said(f"{percent(found)} {name} by its check", format=name)
    is_name = profile.shape.surnames >= EXPECTED and profile.fit("person_name") >= EXPECTED
    if known and known.format == "person_name" and profile.fit("person_name") >= EXPECTED:
        is_name = True
    if is_name and _is_short(profile) and not _is_place(guess.column.title):
        why = f"{percent(profile.shape.surnames)} begin with a surname"
        if profile.fit("person_name") >= BELIEVED:
            return guess.said(why, format="person_name", textual=True)
        return guess.said(why, textual=True, max_length=_room(profile))
    return None


def _is_short(profile: ColumnProfile) -> bool:
    parts = profile.shape.parts
    return bool(parts) and parts[0] >= 2 and parts[-1] <= 4  # noqa: PLR2004 - 王明, 欧阳小明


def _is_place(title: str) -> bool:
    return bool(re.search(r"村|社区|乡|镇|街|路|地|名称|类|型|状态|方式|单位|银行", title))


def _time(profile: ColumnProfile, guess: Guess, known: Column | None) -> Guess | None:
    title, shape = guess.column.title, profile.shape
    named = bool(titles.DAY.search(title) or titles.TIME.search(title))
    named = named or bool(known and known.type in {"date", "timestamp"})
    days, times = profile.fit("date"), profile.fit("timestamp")
    if shape.months >= BELIEVED:
        ask = "a month of six digits: kept as a code"
        return guess.said(f"{percent(shape.months)} like 202305", ask, pattern=MONTHS)
    wanted = EXPECTED if named else BELIEVED
    if max(days, times) < wanted:
        return None
    serials = profile.repairs.get("date.date_serial", 0) / max(profile.tried, 1)
    if not named and (serials > SERIALS or (titles.CODE.search(title) and shape.digits > SERIALS)):
        return None
    if times >= wanted and (shape.timed >= TIMED or (titles.TIME.search(title) and not shape.timed
                                                     and times >= days)):  # fmt: skip
        return guess.said(f"{percent(times)} read as times", type="timestamp")
    words: dict[str, Any] = {}
    why = f"{percent(days)} read as days"
    if opened := profile.repairs.get("date.open_end", 0):
        why += f", {opened} open ends"
        words["open_end"] = True
    if profile.repairs.get("date.date_month", 0):
        why += ", months among them"
        words["partial"] = "month"
    return guess.said(why, type="date", **words)


def _number(profile: ColumnProfile, guess: Guess, known: Column | None) -> Guess | None:
    title, shape = guess.column.title, profile.shape
    whole, exact = profile.fit("integer"), profile.fit("decimal")
    if known is not None and known.type == "string" and not known.textual:
        return None
    if max(whole, exact) < BELIEVED or shape.zeros > 0 or _is_code(profile, guess, known):
        return None
    place = _place(title)
    money = bool(titles.MONEY.search(title))
    measured = place or money or titles.AREA.search(title) or titles.SHARE.search(title)
    pointed = shape.digits < SERIALS
    if whole >= BELIEVED and not (measured or pointed or (known and known.type == "decimal")):
        return _counted(profile, guess, known, whole)
    unit = _unit(profile, known, money=money)
    scale = max(profile.scale, 2)
    if power(profile.unit, unit) and profile.unit != unit:
        scale = max(2, scale - (power(profile.unit, unit) or 0))
    words: dict[str, Any] = {"type": "decimal", "precision": 18, "scale": scale, "unit": unit}
    why = f"{percent(exact)} exact numbers, {profile.scale} decimals"
    if place:
        low, high = DEGREES[place]
        words |= {"precision": 10, "scale": max(scale, 6), "unit": "°"}
        words |= {"minimum": low, "maximum": high}
        return guess.said(f"{why}, {place}", **words)
    words["precision"] = max(18 if money else 12, profile.whole + scale + 2)
    if titles.SHARE.search(title):
        share = _share(profile)
        words |= {"unit": "", **share}
        return guess.said(f"{why}, a share", "" if share else "a share: of 1 or of 100?", **words)
    if _is_least(profile, "0"):
        words["minimum"] = "0"
    return guess.said(why, **words)


def _counted(profile: ColumnProfile, guess: Guess, known: Column | None, whole: float) -> Guess:
    words: dict[str, Any] = {"type": "integer", "unit": profile.unit or _said_unit(known)}
    if known is not None and known.type == "integer":
        words |= {"minimum": known.minimum, "maximum": known.maximum}
    elif titles.COUNT.search(guess.column.title) and _is_least(profile, "0"):
        words["minimum"] = "0"
    if not _is_least(profile, str(words.get("minimum") or profile.least or "0")):
        words.pop("minimum", None)
    return guess.said(f"{percent(whole)} whole numbers", **words)


def _is_code(profile: ColumnProfile, guess: Guess, known: Column | None) -> bool:
    """Whether digits are a name rather than a quantity."""
    title, shape = guess.column.title, profile.shape
    if known is not None and known.type in {"integer", "decimal"}:
        return False
    if profile.scale and shape.digits < SERIALS:
        return False
    if titles.ORDINAL.search(title) or titles.COUNT.search(title):
        return shape.longest > IDENTIFIER
    if titles.CODE.search(title) or shape.longest > IDENTIFIER:
        return True
    measured = titles.MONEY.search(title) or titles.AREA.search(title) or profile.unit
    return bool(shape.wide >= FIXED and shape.wide_share >= BELIEVED and not measured
                and shape.digits >= BELIEVED)  # fmt: skip


def _text(profile: ColumnProfile, guess: Guess, known: Column | None) -> Guess:
    shape, title = profile.shape, guess.column.title
    if known is not None and known.type == "string":
        made = guess.said("as other contracts say", textual=known.textual)
        if known.max_length >= (shape.parts[-1] if shape.parts else shape.longest):
            return made.said(max_length=known.max_length)
        return made.said(max_length=_room(profile))
    is_code = bool(titles.CODE.search(title)) or shape.han < SERIALS
    free = shape.han >= SERIALS and (titles.TEXT.search(title) or shape.longest > FREE)
    if free or not is_code:
        return guess.said(f"text, up to {shape.longest} characters", textual=True,
                          max_length=_room(profile))  # fmt: skip
    fixed = shape.wide_share >= BELIEVED and shape.digits >= BELIEVED and shape.wide >= FIXED
    if fixed:
        why = f"{percent(shape.wide_share)} of {shape.wide} digits"
        return guess.said(why, pattern=rf"^\d{{{shape.wide}}}$")
    if shape.zeros > 0 and shape.digits >= BELIEVED and shape.wide_share >= EXPECTED:
        why = f"leading zeros, {percent(shape.wide_share)} of {shape.wide} digits"
        return guess.said(why, pad=max(shape.wide, 2), max_length=_room(profile))
    why = f"a code of {shape.shortest} to {shape.longest} characters"
    if shape.shortest == shape.longest:
        why = f"a code of {shape.longest} characters"
    return guess.said(why, max_length=_room(profile))


def _room(profile: ColumnProfile) -> int:
    """Half as much again as the longest cell; a few that are many times longer are mistakes."""
    usual = profile.shape.parts[-1] if profile.shape.parts else profile.shape.longest
    stray = profile.rows >= SUFFICIENT and profile.shape.longest > 4 * max(usual, FREE)
    wanted = usual * 2 if stray else profile.shape.longest * 3 // 2
    return next((size for size in ROOM if size >= wanted), max(wanted, 1))


def _place(title: str) -> str:
    if titles.LONGITUDE.search(title):
        return "longitude"
    return "latitude" if titles.LATITUDE.search(title) else ""


def _unit(profile: ColumnProfile, known: Column | None, *, money: bool) -> str:
    """The unit to store: the contract's plain one for a stated 万元."""
    if profile.unit:
        for base in SPELLINGS:
            if power(profile.unit, base) is not None:
                return base
        return profile.unit
    return _said_unit(known) or ("元" if money else "")


def _said_unit(known: Column | None) -> str:
    return known.unit if known is not None else ""


def _share(profile: ColumnProfile) -> dict[str, Any]:
    least, most = _number_of(profile.least), _number_of(profile.most)
    if least is None or most is None or least < 0:
        return {}
    if most <= 1 and not profile.unit:
        return {"share": "ratio", "minimum": "0", "maximum": "1", "scale": max(profile.scale, 4)}
    if most <= 100:  # noqa: PLR2004 - per cent
        return {"share": "percent", "minimum": "0", "maximum": "100"}
    return {}


def _is_least(profile: ColumnProfile, bound: str) -> bool:
    least, limit = _number_of(profile.least), _number_of(bound)
    return least is not None and limit is not None and least >= limit


def _number_of(text: str) -> Decimal | None:
    return Decimal(text) if re.fullmatch(r"-?\d+(\.\d+)?", text) else None
