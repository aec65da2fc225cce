"""Which keys each child has, and what was accepted with each; it shows and changes nothing."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from dagster_project.city import ledger
from dagster_project.city.register import Child, children
from dagster_project.lake import Lake


def keyring(lake: Lake, at: datetime) -> list[dict[str, Any]]:
    """Every registered site with its keys.

    Per key: its ``state`` at an instant, ``packages`` accepted with it, and how many of them
    after it was revoked: those came before this site heard of it, and are doubtful.

    Raises:
        PackageError: The register is damaged.
        LakeError, LakeBusyError: The lake cannot be read.
    """
    known = children(lake.home)
    counted = _accepted(lake)
    return [_site(child, counted, at) for child in known.values()]


def _site(
    child: Child, counted: dict[tuple[str, str], list[datetime]], at: datetime
) -> dict[str, Any]:
    keys = []
    for key in child.card.listed:
        when = counted.get((child.code, key.key_id), [])
        ended = key.revoked_at and datetime.fromisoformat(key.revoked_at)
        late = [one for one in when if ended and one >= ended]
        keys.append(
            {
                **key.model_dump(exclude={"public_key"}),
                "state": key.state(at),
                "packages": len(when),
                "packages_after_revocation": len(late),
            }
        )
    return {
        "code": child.code,
        "name": child.card.name,
        "serial": child.card.serial,
        "via": child.via,
        "keys": keys,
        "notes": [note.model_dump() for note in child.notes],
    }


def _accepted(lake: Lake) -> dict[tuple[str, str], list[datetime]]:
    """When packages were accepted, by site and key; a ledger of before keeps no keys."""
    if not lake.home.catalog.exists():
        return {}
    with lake.reader() as con:
        if "key_id" not in ledger.present_columns(con):
            return {}
        rows = con.execute(
            f"SELECT site_code, key_id, list(received_at ORDER BY received_at) FROM {ledger.TABLE}"
            " WHERE outcome = 'accepted' AND key_id <> '' GROUP BY site_code, key_id"
        ).fetchall()
    return {(code, key_id): when for code, key_id, when in rows}
