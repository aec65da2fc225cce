"""One reception at work: each package is copied, verified, decided on, merged and answered.

Where the folders are and which counties there are is told by ``receive``; the rules of the
chain are ``chain``'s.
"""

from __future__ import annotations

import json
import shutil
import uuid
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from dagster_project.city import ledger
from dagster_project.city.answers import answer
from dagster_project.city.chain import Chain, Decision, decide
from dagster_project.city.ledger import Entry
from dagster_project.city.merge import merge, shape_conflicts
from dagster_project.city.verify import Expected, Shapes, Verdict, premature, verify
from dagster_project.errors import PackageError
from dagster_project.lake import Lake, Writer
from dagster_project.protocol.canonical import sha256_bytes
from dagster_project.protocol.folders import (
    Limits,
    copy_untrusted,
    place,
    read_untrusted,
    seal_tree,
    shown,
    write_file,
)
from dagster_project.protocol.keys import Signer
from dagster_project.protocol.manifest import PACKAGE_ID, SIGNATURE
from dagster_project.protocol.site_card import SiteCard
from dagster_project.settings import Site

_SIGNATURE_BYTES = 1 << 20


@dataclass(frozen=True)
class Desk:
    """One reception: what it needs at every step."""

    lake: Lake
    site: Site
    signer: Signer
    at: datetime
    shapes: Shapes | None
    limits: Limits
    cards: dict[str, SiteCard]

    def take_county(self, folder: Path, known: list[Entry]) -> list[Entry]:
        """One county's new packages, in the order of their numbers.

        Raises:
            PackageError: The county's exchange folder is not a plain folder.
        """
        up, down = folder / "up", folder / "down"
        if up.is_symlink() or down.is_symlink() or folder.is_symlink():
            raise PackageError(
                "an exchange folder must not be a link",
                where=str(folder),
                todo="Make it a plain folder; nothing was taken from it",
            )
        if not up.is_dir():
            return []
        verdicts, decisions = [], []
        settled = {entry.package_id: entry for entry in known if entry.consumed}
        for path in sorted(p for p in up.iterdir() if not p.name.startswith(".")):
            earlier = settled.get(path.name)
            if earlier and self._unchanged(path, earlier):
                self._answer(down, earlier)
                continue
            verdict = self._examine(path, folder.name)
            same = [one for one in known if one.received_hash == verdict.received_hash]
            if same and not verdict.genuine:
                self._answer(down, same[-1])
                shutil.rmtree(verdict.folder, ignore_errors=True)
            else:
                verdicts.append((path.name, verdict))
        if verdicts:
            with self.lake.writer(f"receive packages of {folder.name}") as writer:
                decisions = self._settle_all(writer, folder, verdicts)
        return decisions

    def _unchanged(self, path: Path, earlier: Entry) -> bool:
        signature = read_untrusted(path, SIGNATURE, _SIGNATURE_BYTES)
        return signature is not None and sha256_bytes(signature) == earlier.signature_hash

    def _examine(self, path: Path, county: str) -> Verdict:
        copy = self.lake.home.scratch / f"receive-{uuid.uuid4().hex}"
        self.lake.home.scratch.mkdir(parents=True, exist_ok=True)
        copied = copy_untrusted(path, copy, self.limits)
        copy.mkdir(exist_ok=True)
        card = self.cards.get(county)
        return verify(copy, copied, Expected(county, path.name, self.site.code, card, self.shapes))

    def _settle_all(
        self, writer: Writer, folder: Path, verdicts: list[tuple[str, Verdict]]
    ) -> list[Entry]:
        known = ledger.entries(writer.con, folder.name)
        chain = ledger.chain_of(known)
        waiting = {one.received_hash: one for one in known if one.outcome == "held"}
        settled = {one.package_id for one in known if one.consumed}
        decisions = []
        for name, verdict in sorted(verdicts, key=_turn):
            decision = self._decide(writer, chain, verdict)
            told = waiting.get(verdict.received_hash)
            if decision is None or (decision.outcome == "held" and told):
                shutil.rmtree(verdict.folder, ignore_errors=True)
                if decision and told:
                    self._answer(folder / "down", told)
                continue
            entry = self._entry(folder.name, name, verdict, decision)
            self._settle(writer, chain, verdict, entry)
            if decision.consumed or entry.package_id not in settled:
                self._answer(folder / "down", entry)
            decisions.append(entry)
        return decisions

    def _decide(self, writer: Writer, chain: Chain, verdict: Verdict) -> Decision | None:
        if not verdict.genuine or verdict.manifest is None:
            return Decision("rejected", tuple(verdict.faults))
        faults = [*verdict.faults, *premature(verdict.header, self.at)]
        if verdict.table is not None:
            faults += shape_conflicts(writer.con, verdict)
        return decide(chain, verdict.manifest, faults)

    def _entry(self, county: str, name: str, verdict: Verdict, decision: Decision) -> Entry:
        entry = Entry(
            site_code=county,
            package_id=name if PACKAGE_ID.match(name) else f"unnamed {shown(name)}",
            outcome=decision.outcome,
            consumed=decision.consumed,
            reasons=tuple(reason[:400] for reason in decision.reasons[:50]),
            remarks=tuple(remark[:400] for remark in decision.remarks[:50]),
            received_at=self.at.astimezone(UTC),
            received_hash=verdict.received_hash,
            signature_hash=verdict.signature_hash,
        )
        if not verdict.genuine or verdict.manifest is None:
            return entry
        header = verdict.manifest.header
        return replace(
            entry,
            package_hash=verdict.manifest.package_hash,
            package_no=header.package_no,
            report=header.report,
            period=header.period,
            revision=header.revision,
            row_count=header.rows,
            cut_off_at=datetime.fromisoformat(header.cut_off_at),
            kind=header.kind,
            held=json.dumps(verdict.holds.told(), ensure_ascii=False),
        )

    def _settle(self, writer: Writer, chain: Chain, verdict: Verdict, entry: Entry) -> None:
        """Keep the copy where it belongs, then commit rows and decision together."""
        home = self.lake.home
        if entry.outcome == "accepted":
            target = home.received / entry.site_code / entry.package_id
            shutil.rmtree(target, ignore_errors=True)
            seal_tree(verdict.folder)
            place(verdict.folder, target)
        elif entry.outcome == "rejected":
            self._keep_rejected(verdict, entry)
        with writer.transaction(
            f"{entry.outcome} {entry.package_id}", county=entry.site_code
        ) as tx:
            if entry.outcome == "accepted":
                merge(tx.con, verdict)
            ledger.add(tx.con, entry)
        if entry.consumed and verdict.manifest is not None:
            chain.use(verdict.manifest, entry.outcome)
        shutil.rmtree(verdict.folder, ignore_errors=True)

    def _keep_rejected(self, verdict: Verdict, entry: Entry) -> None:
        """Keep the refused bytes with the reasons; of strangers, only the reasons."""
        name = entry.package_id if PACKAGE_ID.match(entry.package_id) else "unnamed"
        target = self.lake.home.rejected / f"{name}-{entry.received_hash[:8]}"
        shutil.rmtree(target, ignore_errors=True)
        if entry.site_code in self.cards:
            place(verdict.folder, target)
        reasons = {"county": entry.site_code, "reasons": list(entry.reasons)}
        text = json.dumps(reasons, ensure_ascii=False, indent=2)
        write_file(target / "reasons.json", text.encode("utf-8"))

    def _answer(self, down: Path, entry: Entry) -> None:
        """Answer registered counties; a package without a proper name cannot be answered."""
        if entry.site_code in self.cards and PACKAGE_ID.match(entry.package_id):
            answer(down, entry, self.site.code, self.signer)


def _turn(named: tuple[str, Verdict]) -> tuple[int, str]:
    """Packages that are not genuine first, then by number."""
    name, verdict = named
    genuine = verdict.genuine and verdict.manifest is not None
    return (verdict.header.package_no if genuine else 0, name)
