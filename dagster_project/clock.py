"""The only place that asks what time it is; everything below takes instants as arguments."""

from __future__ import annotations

from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

SHANGHAI = ZoneInfo("Asia/Shanghai")


def now() -> datetime:
    """The present instant, aware, in UTC."""
    return datetime.now(UTC)


def local_day(instant: datetime) -> date:
    """The calendar day of an instant in the county (Asia/Shanghai)."""
    return instant.astimezone(SHANGHAI).date()


def utc_text(instant: datetime) -> str:
    """An instant as packages carry it: ISO 8601 in UTC, with a Z."""
    return instant.astimezone(UTC).replace(tzinfo=None).isoformat() + "Z"
