"""Which announcement of a key is believed, and what is known of a site's keys afterwards."""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime, timedelta
from functools import cache

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from dagster_project.clock import utc_text
from dagster_project.errors import PackageError
from dagster_project.protocol import dsse
from dagster_project.protocol.announcement import (
    PAYLOAD_TYPE,
    announce,
    follow,
    merged,
    read_announcement,
)
from dagster_project.protocol.canonical import canonical_json
from dagster_project.protocol.keys import FileSigner
from dagster_project.protocol.site_card import CardKey, SiteCard, card_of

AT = datetime(2026, 5, 31, 4, 0, tzinfo=UTC)
LATER = AT + timedelta(days=30)
CODE = "140321"


@cache
def holder(number: int) -> FileSigner:
    """The holder of the site's key of that number; 9 is a stranger's."""
    return FileSigner(Ed25519PrivateKey.from_private_bytes(bytes([number]) * 32))


def key(number: int, **ends: str) -> CardKey:
    """That key on a card."""
    public = holder(number).public
    return CardKey(key_id=public.key_id, public_key=public.text, **ends)


def card(*keys: CardKey, serial: int = 1, code: str = CODE, name: str = "平定县") -> SiteCard:
    """A card with these keys."""
    return SiteCard(code=code, name=name, serial=serial, listed=keys)


def believed(known: SiteCard, new: SiteCard, *signers: int, at: datetime = AT) -> SiteCard:
    """What is known after the holders of those keys announced a card."""
    data = announce(new, "正常轮换", [holder(one) for one in signers])
    return follow(known, read_announcement(data, "x"), at, "x")


FIRST = card(key(1))
SECOND = card(key(1, valid_until=utc_text(LATER)), key(2), serial=2)
OVERLAPPING = believed(FIRST, SECOND, 1, 2)


def test_both_keys_hold_until_the_overlap_ends() -> None:
    """After a rotation both sign, from its end on only the new one; every key stays listed."""
    one, two = holder(1).key_id, holder(2).key_id
    assert OVERLAPPING.keys_at(AT).keys() == {one, two}
    assert OVERLAPPING.keys_at(LATER).keys() == {two}
    assert OVERLAPPING.every_key.keys() == {one, two}
    assert OVERLAPPING.key_id == two
    assert (OVERLAPPING.place(one), OVERLAPPING.place(two), OVERLAPPING.place("")) == (1, 2, 0)
    assert OVERLAPPING.trust_hash(AT) != OVERLAPPING.trust_hash(LATER)
    envelope = dsse.sign(holder(1), "k", b"x")
    assert one in OVERLAPPING.keys_for(envelope, AT, "x")
    with pytest.raises(PackageError, match=f"key {one} was replaced and signs nothing since"):
        OVERLAPPING.keys_for(envelope, LATER, "x")


THIRD = card(
    key(1, valid_until=utc_text(LATER)), key(2, valid_until=utc_text(LATER)), key(3), serial=3
)
REFUSED = {
    "signed by a stranger": (FIRST, SECOND, (2,), "no key that is trusted"),
    "the new key did not sign": (FIRST, SECOND, (1,), "did not sign it"),
    "the serial does not grow": (OVERLAPPING, SECOND, (1, 2), "not above 2"),
    "an earlier serial": (
        OVERLAPPING,
        card(key(2, valid_until=utc_text(LATER)), key(3), serial=1),
        (2, 3),
        "not above 2",
    ),
    "another site": (FIRST, card(key(1), serial=2, code="140322"), (1,), "of site 140322"),
    "a key being replaced brings in a key": (OVERLAPPING, THIRD, (1, 3), "cannot bring in"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_not_believed_changes_nothing(case: str) -> None:
    """An announcement that its site's current key did not sign is refused with the reason."""
    known, new, signers, reason = REFUSED[case]
    with pytest.raises(PackageError, match=reason):
        believed(known, new, *signers)


def test_an_ended_key_announces_nothing() -> None:
    """After the overlap, and after a revocation, the old key cannot even end the new one."""
    ended = card(key(1, valid_until=utc_text(LATER)), key(2, revoked_at=utc_text(AT)), serial=3)
    with pytest.raises(PackageError, match="was replaced and signs nothing"):
        believed(OVERLAPPING, ended, 1, at=LATER)
    revoked = OVERLAPPING.revoking(holder(1).key_id, utc_text(AT), "U盘遗失")
    with pytest.raises(PackageError, match=r"was revoked on .* \(U盘遗失\)"):
        believed(revoked, ended, 1)


def test_a_key_being_replaced_may_revoke_but_not_raise_itself() -> None:
    """It takes the other's trust away; afterwards it is still no key that brings in a third."""
    ended = card(key(1, valid_until=utc_text(LATER)), key(2, revoked_at=utc_text(AT)), serial=3)
    known = believed(OVERLAPPING, ended, 1)
    assert known.keys_at(AT).keys() == {holder(1).key_id}
    assert known.key_id == ""
    third = card(*known.listed, key(3), serial=4)
    with pytest.raises(PackageError, match="cannot bring in"):
        believed(known, third, 1, 3)


def test_no_announcement_takes_an_end_back() -> None:
    """An end can come sooner, never later; a key that is left out ends, and stays listed."""
    longer = card(key(1, valid_until="2030-01-01T00:00:00Z"), key(2), serial=3)
    assert believed(OVERLAPPING, longer, 2).listed[0].valid_until == utc_text(LATER)
    forgetful = believed(OVERLAPPING, card(key(2), serial=3), 2)
    assert forgetful.keys_at(AT).keys() == {holder(2).key_id}
    assert len(forgetful.listed) == 2
    late = believed(
        OVERLAPPING,
        card(key(1, revoked_at="2030-01-01T00:00:00Z", revoked_why="x"), key(2), serial=3),
        2,
    )
    assert late.listed[0].revoked_at == utc_text(AT), "a wrong clock delays no revocation"


def test_the_lost_keys_of_a_site_are_replaced_by_hand_only() -> None:
    """The new key alone convinces nobody; merged by hand, it is the current one."""
    lost = card(key(1, revoked_at=utc_text(AT), revoked_why="遗失"), key(2), serial=2)
    with pytest.raises(PackageError, match="no key that is trusted"):
        believed(FIRST, lost, 2)
    known = merged(FIRST, lost, AT)
    assert known.keys_at(AT).keys() == {holder(2).key_id}


def test_every_signature_of_an_announcement_must_hold() -> None:
    """A signature that does not fit, one too many, or another order makes it nothing."""
    whole = json.loads(announce(SECOND, "轮换", [holder(1), holder(2)]))
    for change in ("bit", "order", "twice", "stranger", "none"):
        told = json.loads(json.dumps(whole))
        signatures = told["signatures"]
        if change == "bit":
            raw = bytearray(base64.b64decode(signatures[1]["sig"]))
            raw[0] ^= 1
            signatures[1]["sig"] = base64.b64encode(bytes(raw)).decode()
        elif change == "order":
            signatures.reverse()
        elif change == "twice":
            signatures[1] = signatures[0]
        elif change == "stranger":
            signatures[1]["keyid"] = holder(9).key_id
            signatures.sort(key=lambda one: one["keyid"])
        else:
            signatures.clear()
        with pytest.raises(PackageError):
            read_announcement(canonical_json(told), change)
    keys = SECOND.every_key
    with pytest.raises(PackageError, match="exactly one"):
        dsse.open_envelope(canonical_json(whole), PAYLOAD_TYPE, keys, "x")


def test_a_card_of_the_first_format_is_a_card_with_one_key() -> None:
    """What homes hold from before is read; its serial is below every other."""
    public = holder(1).public
    first = {
        "code": CODE,
        "name": "平定县",
        "algorithm": "ed25519",
        "key_id": public.key_id,
        "public_key": public.text,
    }
    known = card_of(canonical_json(first), "public.json")
    assert (known.serial, known.key_id, known.keys) == (0, public.key_id, {public.key_id: public})
    assert believed(known, FIRST, 1).serial == 1


@pytest.mark.parametrize(
    "wrong",
    [
        {"keys": []},
        {"serial": -1},
        {"serial": "1"},
        {"name": "平\u202e定"},
        {"issued_at": "2026-13-01T00:00:00Z"},
        {"keys": [key(1).model_dump(), key(2).model_dump()]},
        {"keys": [key(1).model_dump(), key(1, valid_until=utc_text(AT)).model_dump()]},
        {"keys": [{**key(1).model_dump(), "algorithm": "none"}]},
        {"keys": [{**key(1).model_dump(), "key_id": "0" * 32}]},
        {"more": 1},
    ],
)
def test_a_card_that_is_none(wrong: dict[str, object]) -> None:
    """Two current keys, a key twice, a foreign fingerprint or an odd word: no card."""
    with pytest.raises(PackageError, match=r"not a site's public\.json"):
        card_of(canonical_json({**json.loads(FIRST.content), **wrong}), "public.json")


def test_every_byte_of_an_announcement_counts() -> None:
    """Whichever byte is changed, it is an announcement no more, or not that of these keys."""
    whole = announce(SECOND, "轮换", [holder(1), holder(2)])
    for place in range(0, len(whole), 3):
        changed = bytearray(whole)
        changed[place] ^= 1
        with pytest.raises(PackageError):
            follow(FIRST, read_announcement(bytes(changed), "x"), AT, "x")
