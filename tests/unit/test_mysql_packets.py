"""Rows of MySQL's text protocol, cut in bulk: whatever their cells and however they arrive."""

from __future__ import annotations

import random
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dagster_project.ingest.channels.database import packets
from dagster_project.ingest.channels.database.packets import BrokenStreamError

LENGTHS = (0, 1, 2, 250, 251, 252, 255, 256, 65_535, 65_536, 70_000)
END = b"\xfe\x00\x00\x02\x00"

cells = st.one_of(st.none(), st.binary(max_size=40), st.sampled_from([b"x" * n for n in LENGTHS]))


def packet(payload: bytes, number: int) -> bytes:
    """A payload with its head."""
    return len(payload).to_bytes(3, "little") + bytes([number % 256]) + payload


def cell(value: bytes | None) -> bytes:
    """A cell with its length before it, as the protocol's description says."""
    if value is None:
        return b"\xfb"
    size = len(value)
    if size < 0xFB:
        return bytes([size]) + value
    if size < 1 << 16:
        return b"\xfc" + size.to_bytes(2, "little") + value
    return b"\xfd" + size.to_bytes(3, "little") + value


def stream(rows: Sequence[tuple[bytes | None, ...]], end: bytes = END) -> bytes:
    """The packets of a result."""
    payloads = [b"".join(map(cell, row)) for row in rows] + [end]
    return b"".join(packet(payload, n) for n, payload in enumerate(payloads))


def taken(data: bytes, columns: int, seed: int = 0) -> list[tuple[bytes | None, ...]]:
    """The rows of a stream that arrives in pieces of random size."""
    dice, at = random.Random(seed), 0  # noqa: S311

    def read(most: int) -> bytes:
        nonlocal at
        piece = data[at : at + min(dice.randint(1, 90_000), most)]
        at += len(piece)
        return piece

    made = packets.batches(read, columns)
    return [row for arrays in made for row in zip(*(a.to_pylist() for a in arrays), strict=True)]


@settings(deadline=None, max_examples=60)
@given(
    st.integers(1, 5).flatmap(
        lambda n: st.tuples(st.just(n), st.lists(st.tuples(*[cells] * n), max_size=30))
    ),
    st.integers(0, 99),
)
def test_every_cell_comes_back(
    table: tuple[int, list[tuple[bytes | None, ...]]], seed: int
) -> None:
    """Cells of all lengths and NULLs are what was sent, in their order."""
    columns, rows = table
    assert taken(stream(rows), columns, seed) == rows


def test_many_batches_are_one_result(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows that cross the end of a batch are whole."""
    monkeypatch.setattr(packets, "ENOUGH", 1000)
    rows = [(str(n).encode(), None if n % 3 else b"y" * (n % 300)) for n in range(3000)]
    assert taken(stream(rows), 2) == rows


@pytest.mark.parametrize(
    "data",
    [
        stream([(b"1", b"2")])[:-3],
        stream([(b"1", b"2")], end=b""),
        stream([(b"1", b"2"), (b"3",)]),
        stream([(b"1", b"2"), (b"3", b"4", b"5")]),
        stream([(b"1", b"2")], end=b"\xff\x25\x05#70100Connection was killed"),
        packet(b"\x01a\x7fb", 0) + packet(END, 1),
    ],
    ids=["cut", "ended", "too few", "too many", "error", "length beyond"],
)
def test_a_broken_result_is_no_result(data: bytes) -> None:
    """A result that is not whole raises, whatever came before."""
    with pytest.raises(BrokenStreamError):
        taken(data, 2)
