"""Store and forward: sealed packages go up when the link is there, answers come down.

The exchange folder may be a mounted share or a stick that is away for days. A package counts as
done when the parent's signed acknowledgement says ``accepted``; until then its copy in ``up`` is
kept equal to the sealed one. Nothing is sealed here, and nothing in the exchange is believed
without a signature.
"""

from __future__ import annotations

import filecmp
import shutil
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

import duckdb
import pyarrow as pa

from dagster_project.errors import CountyLakeError, PackageError
from dagster_project.lake import Lake
from dagster_project.paths import Home
from dagster_project.protocol.acknowledgement import (
    SUFFIX,
    Acknowledgement,
    read_acknowledgement,
)
from dagster_project.protocol.folders import (
    copy_sealed,
    only_one,
    read_untrusted,
    remove_parts,
)
from dagster_project.reporting.identity import parent_card
from dagster_project.settings import Site

_ANSWER_BYTES = 64 << 10


@dataclass
class Exchange:
    """What one meeting with the exchange folder brought.

    ``delivered``: ids copied up now. ``answers``: acknowledgements stored now. ``waiting``: ids
    that are not accepted yet. ``remarks``: sentences for whoever must act.
    """

    delivered: list[str] = field(default_factory=list)
    answers: list[Acknowledgement] = field(default_factory=list)
    waiting: list[str] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class _Sealed:
    package_id: str
    package_hash: str
    outcome: str
    answered_at: str


def deliver(lake: Lake, site: Site) -> Exchange:
    """Copy every package that is not accepted yet up, and store the answers that came down.

    A missing link is not an error: the packages stay sealed and go up the next time.

    Args:
        lake: The site's lake; its lock is held only to read and to store answers.
        site: Whose outbox, and where the exchange folder is.

    Raises:
        LakeError, LakeBusyError: The lake cannot be read or written.
    """
    result = Exchange()
    if not lake.home.catalog.exists():
        return result
    with lake.reader() as con:
        sealed = _sealed(con)
    folder = site.folder(lake.home, "exchange")
    with only_one(lake.home.outbox / ".delivering") as alone:
        if not alone:
            result.remarks.append("Another process is delivering already; nothing was sent twice.")
        elif not folder.is_dir():
            result.remarks.append(
                f"{folder}: the exchange folder is not there. The packages are kept and go up "
                "the next time; mount it, or correct `exchange` in site.yaml."
            )
        else:
            _send(lake.home, folder, sealed, result)
            _collect(lake, site, folder, sealed, result)
    accepted = {one.package_id for one in sealed if one.outcome == "accepted"}
    accepted |= {one.package_id for one in result.answers if one.outcome == "accepted"}
    result.waiting = [one.package_id for one in sealed if one.package_id not in accepted]
    return result


def _sealed(con: duckdb.DuckDBPyConnection) -> list[_Sealed]:
    rows = con.execute(
        "SELECT p.package_id, p.package_hash, coalesce(a.outcome, ''),"
        " coalesce(strftime(a.acknowledged_at, '%Y-%m-%dT%H:%M:%S.%fZ'), '')"
        " FROM lake.ops.package p LEFT JOIN (SELECT package_id, max(acknowledged_at) AS"
        " acknowledged_at, max_by(outcome, acknowledged_at) AS outcome"
        " FROM lake.ops.acknowledgement GROUP BY package_id) a USING (package_id)"
        " ORDER BY p.package_no"
    ).fetchall()
    return [_Sealed(*row) for row in rows]


def _send(home: Home, exchange: Path, sealed: list[_Sealed], result: Exchange) -> None:
    up = exchange / "up"
    try:
        up.mkdir(exist_ok=True)
        remove_parts(up)
        for one in sealed:
            if one.outcome == "accepted":
                continue
            source, target = home.outbox / one.package_id, up / one.package_id
            if not source.is_dir():
                result.remarks.append(
                    f"{source}: the sealed package is gone. Restore the outbox from a backup."
                )
            elif not _same(source, target):
                shutil.rmtree(target, ignore_errors=True)
                copy_sealed(source, target)
                result.delivered.append(one.package_id)
    except OSError as error:
        result.remarks.append(
            f"{up}: the link broke off ({error.strerror}). The packages are kept and go up the "
            "next time."
        )


def _same(source: Path, target: Path) -> bool:
    if target.is_symlink() or not target.is_dir():
        return False
    names = sorted(str(p.relative_to(source)) for p in source.rglob("*"))
    if names != sorted(str(p.relative_to(target)) for p in target.rglob("*")):
        return False
    files = [name for name in names if (source / name).is_file()]
    return all(filecmp.cmp(source / name, target / name, shallow=False) for name in files)


def _collect(
    lake: Lake, site: Site, exchange: Path, sealed: list[_Sealed], result: Exchange
) -> None:
    known = {one.package_id: one for one in sealed}
    found = sorted((exchange / "down").glob(f"[!.]*{SUFFIX}"))
    fresh = [
        path
        for path in found
        if (one := known.get(path.name.removesuffix(SUFFIX))) is None or one.outcome != "accepted"
    ]
    if not fresh:
        return
    for path in fresh:
        try:
            answer = _read_answer(path, lake.home, site, known)
        except CountyLakeError as error:
            result.remarks.append(str(error))
            continue
        if answer.acknowledged_at != known[answer.package_id].answered_at:
            result.answers.append(answer)
    if result.answers:
        _store(lake, result.answers)


def _read_answer(path: Path, home: Home, site: Site, known: dict[str, _Sealed]) -> Acknowledgement:
    parent = parent_card(home)
    if parent is None:
        raise PackageError(
            "the parent site's key is not known, so its answers cannot be verified",
            where=path.name,
            todo=f"Ask it for its public.json and keep it as {home.parent_file.name}",
        )
    data = read_untrusted(path.parent, path.name, _ANSWER_BYTES)
    if data is None:
        raise PackageError("the file is not an acknowledgement", where=path.name, todo="Remove it")
    answer = read_acknowledgement(data, parent.keys, path.name)
    sealed = known.get(answer.package_id)
    for wrong, what in (
        (path.name != answer.package_id + SUFFIX, "the answer is about another package"),
        (answer.sender != site.code, "the answer is for another site"),
        (answer.recipient != parent.code, "the answer comes from another site than the parent"),
        (sealed is None, "the answer is about a package that this site never sealed"),
        (
            sealed is not None
            and answer.outcome == "accepted"
            and answer.package_hash != sealed.package_hash,
            "the answer accepts another content than was sealed",
        ),
    ):
        if wrong:
            raise PackageError(what, where=path.name, todo="Ask the parent site what happened")
    return answer


def _store(lake: Lake, answers: list[Acknowledgement]) -> None:
    rows = pa.Table.from_pylist(
        [
            {
                "package_id": one.package_id,
                "outcome": one.outcome,
                "reasons": "; ".join(one.reasons),
                "recipient": one.recipient,
                "acknowledged_at": datetime.fromisoformat(one.acknowledged_at),
            }
            for one in answers
        ]
    )
    with (
        lake.writer("store acknowledgements") as writer,
        writer.transaction("store acknowledgements", packages=len(answers)) as tx,
    ):
        tx.con.register("answers", rows)
        tx.con.execute(
            "INSERT INTO lake.ops.acknowledgement BY NAME SELECT * FROM answers"
            " ANTI JOIN lake.ops.acknowledgement USING (package_id, acknowledged_at)"
        )
        tx.con.unregister("answers")
