"""The protocol's parts: one spelling of JSON, keys, envelopes, hashes of values, folders."""

from __future__ import annotations

import json
import os
import stat
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from dagster_project.errors import PackageError
from dagster_project.paths import PROJECT
from dagster_project.protocol import dsse, table
from dagster_project.protocol.canonical import canonical_json, parse_canonical, parse_json
from dagster_project.protocol.folders import Limits, copy_untrusted, only_one, read_untrusted
from dagster_project.protocol.keys import FileSigner, PublicKey, create_key, load_signer
from dagster_project.protocol.manifest import PACKAGE_ID, package_id
from dagster_project.protocol.site_card import CardKey, SiteCard, read_card

SIGNER = FileSigner(Ed25519PrivateKey.from_private_bytes(bytes(range(32))))
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=10,
)


@given(VALUES)
def test_canonical_json_is_read_back_and_has_one_spelling(value: object) -> None:
    """Writing and reading give the value again; any other spelling is refused."""
    text = canonical_json(value)
    assert parse_canonical(text, "x") == value
    with pytest.raises(PackageError):
        parse_canonical(text + b" ", "x")


@pytest.mark.parametrize(
    "text",
    [
        b'{"a":1,"a":2}',
        b'{"a":NaN}',
        b"{} {}",
        b'"\xff"',
        b"[" * 100_000 + b"]" * 100_000,
        b"",
    ],
)
def test_json_that_means_two_things_is_refused(text: bytes) -> None:
    """Repeated keys, NaN, trailing text, broken UTF-8 and endless nesting are errors."""
    with pytest.raises(PackageError, match="not valid JSON"):
        parse_json(text, "x")


def test_the_envelope_signs_what_dsse_says() -> None:
    """The signed bytes are DSSE's pre-authentication encoding, from the specification's example."""
    kind = "http://example.com/HelloWorld"
    assert (
        dsse.pre_authentication(kind, b"hello world")
        == b"DSSEv1 29 http://example.com/HelloWorld 11 hello world"
    )
    keys = {SIGNER.key_id: SIGNER.public}
    assert dsse.open_envelope(dsse.sign(SIGNER, kind, b"x"), kind, keys, "x") == b"x"


def test_every_bit_of_an_envelope_counts() -> None:
    """Whichever bit is turned, the envelope does not open."""
    keys, whole = {SIGNER.key_id: SIGNER.public}, dsse.sign(SIGNER, "k", b"payload")
    for place in range(len(whole)):
        for bit in range(8):
            changed = bytearray(whole)
            changed[place] ^= 1 << bit
            with pytest.raises(PackageError):
                dsse.open_envelope(bytes(changed), "k", keys, "x")


def test_a_private_key_is_private_and_outside_the_checkout(tmp_path: Path) -> None:
    """Mode 0600 in a 0700 folder; loose rights, a wrong name and the checkout are refused."""
    folder = tmp_path / "keys"
    key_id = create_key(folder)
    path = folder / f"{key_id}.pem"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    signer = load_signer(folder, key_id)
    assert PublicKey.from_text(signer.public.text).verifies(signer.sign(b"x"), b"x")
    path.rename(folder / "other.pem")
    with pytest.raises(PackageError, match="does not hold"):
        load_signer(folder, "other")
    (folder / "other.pem").chmod(0o644)
    with pytest.raises(PackageError, match="open to other users"):
        load_signer(folder, "other")
    with pytest.raises(PackageError, match="inside the checkout"):
        create_key(PROJECT / "var" / "keys")


def test_a_card_must_fit_its_own_key(tmp_path: Path) -> None:
    """public.json with a foreign key id, or something else, is refused with its path."""
    key = CardKey(key_id=SIGNER.key_id, public_key=SIGNER.public.text)
    card = SiteCard(code="140321", name="平定县", listed=(key,))
    path = tmp_path / "public.json"
    path.write_bytes(card.content)
    assert read_card(path) == card
    foreign = key.model_copy(update={"key_id": "0" * 32})
    path.write_bytes(card.model_copy(update={"listed": (foreign,)}).content)
    with pytest.raises(PackageError, match="fingerprint"):
        read_card(path)
    for text in (b"{}", b"[]", b"x", b'{"code": "14032"}'):
        path.write_bytes(text)
        with pytest.raises(PackageError, match=r"public\.json"):
            read_card(path)


def sample(**changes: object) -> pa.Table:
    """A table with a column of every kind that travels."""
    columns: dict[str, object] = {
        "code": pa.array(["a", None, ""]),
        "n": pa.array([1, None, 3], pa.int64()),
        "yuan": pa.array([Decimal("1.50"), None, Decimal("0.00")], pa.decimal128(18, 2)),
        "day": pa.array([date(2023, 5, 31), None, None]),
        "at": pa.array([datetime(2023, 5, 31, tzinfo=UTC), None, None], pa.timestamp("us", "UTC")),
        "ok": pa.array([True, False, None]),
    }
    return table.normalise(pa.table({**columns, **changes}))


def test_parquet_bytes_and_values_are_reproducible(tmp_path: Path) -> None:
    """The same values give the same file and, read back, the same content hash."""
    for name in ("a", "b"):
        table.write_parquet(sample(), tmp_path / name)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
    back = table.read_parquet(tmp_path / "a")
    assert table.content_hash(back) == table.content_hash(sample())
    assert table.schema_differences(back, table.describe(sample(), {})) == []


@pytest.mark.parametrize(
    "changes",
    [
        {"code": pa.array(["a", "", None])},
        {"code": pa.array(["a", None, "x"])},
        {"n": pa.array([1, 0, 3], pa.int64())},
        {"n": pa.array([1, None, 3], pa.int32())},
        {"yuan": pa.array([Decimal("1.50"), None, Decimal("0.00")], pa.decimal128(18, 3))},
        {"more": pa.array([None, None, None], pa.string())},
    ],
)
def test_the_content_hash_sees_values_nulls_and_types(changes: dict[str, object]) -> None:
    """A value, a NULL in place of a blank, another type or a further column changes the hash."""
    assert table.content_hash(sample(**changes)) != table.content_hash(sample())


def test_chunks_do_not_change_the_content_hash() -> None:
    """How Arrow happens to cut a table into pieces is not part of its values."""
    whole = sample()
    pieces = pa.concat_tables([whole.slice(0, 1), whole.slice(1, 2)])
    assert table.content_hash(pieces) == table.content_hash(whole)


@pytest.mark.parametrize(
    "column",
    [pa.array([1.5, 2.5, None]), pa.array([[1], None, [2]]), pa.array([b"x", None, b"y"])],
)
def test_what_cannot_be_exact_does_not_travel(column: pa.Array) -> None:
    """Binary floats, lists and bytes are refused with the column's name."""
    with pytest.raises(PackageError, match="column bad"):
        sample(bad=column)


def test_column_names_are_plain_words() -> None:
    """A name that could be SQL never gets anywhere."""
    with pytest.raises(PackageError, match="lower-case"):
        table.normalise(pa.table({'x" VARCHAR); DROP TABLE y; --': [1]}))


@pytest.mark.parametrize(
    ("name", "good"),
    [
        (package_id("140321", "task_execution", "20230531", 1), True),
        (package_id("140321", "hotline", "202305", 12), True),
        (package_id("140321", "hotline", "2023Q2", 1), True),
        ("140321-hotline-2023Q5-r1", False),
        ("140321-hotline-202305-r0", False),
        ("140321-hotline-202305-r1\n", False),
        ("../140321-hotline-202305-r1", False),
        ("１４０３２１-hotline-202305-r1", False),
    ],
)
def test_package_names(name: str, good: bool) -> None:  # noqa: FBT001
    """A package's name is county, report, period and revision, and nothing else."""
    assert bool(PACKAGE_ID.match(name)) is good


def test_a_foreign_folder_is_copied_without_being_believed(tmp_path: Path) -> None:
    """Links, pipes, deep folders, odd names and oversize are left behind, each with a sentence."""
    source = tmp_path / "package"
    (source / "data" / "deep").mkdir(parents=True)
    (source / "good.json").write_bytes(b"{}")
    (source / "large.json").write_bytes(b"x" * 200)
    (source / "link.json").symlink_to("/etc/hostname")
    os.mkfifo(source / "pipe")
    (source / "a b").write_bytes(b"")
    copied = copy_untrusted(source, tmp_path / "copy", Limits(file_bytes=100))
    assert copied.paths == ["good.json"]
    said = "\n".join(copied.problems)
    for what in ("large.json", "link.json", "pipe", "'a b'", "data/deep"):
        assert what in said
    (tmp_path / "alias").symlink_to(source)
    assert copy_untrusted(tmp_path / "alias", tmp_path / "no", Limits()).problems
    assert read_untrusted(source, "link.json", 100) is None
    assert read_untrusted(source, "pipe", 100) is None
    assert read_untrusted(source, "large.json", 100) is None
    assert read_untrusted(source, "good.json", 100) == b"{}"


def test_only_one_enters(tmp_path: Path) -> None:
    """While one is inside, another is told so at once."""
    with only_one(tmp_path / "lock") as first, only_one(tmp_path / "lock") as second:
        assert (first, second) == (True, False)
    with only_one(tmp_path / "lock") as again:
        assert again


def test_a_signed_text_is_found_in_the_envelope() -> None:
    """The envelope is plain DSSE: any implementation finds payload, type and signatures."""
    envelope = json.loads(dsse.sign(SIGNER, "k", b"x"))
    assert set(envelope) == {"payload", "payloadType", "signatures"}
    assert envelope["signatures"][0]["keyid"] == SIGNER.key_id
