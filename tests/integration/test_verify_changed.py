"""One byte, value or number changed anywhere behind a package: ``verify`` names it each time."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from period_kit import Periods
from verify_kit import LATE, MONTH, Copy, flip, make, naming

pytestmark = [pytest.mark.thorough, pytest.mark.xdist_group("verify")]


@pytest.fixture(scope="module")
def county(tmp_path_factory: pytest.TempPathFactory, keys: Path) -> Periods:
    """A county that sealed six packages, of which one was answered."""
    assert keys.is_dir()
    return make(tmp_path_factory.mktemp("verify"))


@pytest.fixture
def copy(county: Periods, tmp_path: Path) -> Copy:
    """The county's home at another place."""
    return Copy.of(county.workshop.home, tmp_path / "moved")


def silver_file(copy: Copy) -> tuple[str, ...]:
    """A byte of a data file of silver."""
    path = copy.files_of("silver.permit")[0]
    flip(path)
    return (path.name,)


def past_value(copy: Copy) -> tuple[str, ...]:
    """A value of silver in the file where it lies: no later snapshot tells of it."""
    path = copy.files_of("silver.permit")[0]
    assert copy.rewrite(path, "holder", 3, "九厂") == "一厂"
    return ("silver.permit", "do not agree with their own hash", path.name)


def past_number(copy: Copy) -> tuple[str, ...]:
    """A row number of bronze in the file where it lies."""
    copy.rewrite(copy.files_of("bronze.permit")[0], "_source_row", 3, 4000)
    return ("silver.permit", "no row in bronze.permit")


def doubled_number(copy: Copy) -> tuple[str, ...]:
    """A row of bronze twice."""
    copy.lies(
        "INSERT INTO lake.bronze.permit SELECT r.* FROM lake.bronze.permit AS r"
        " JOIN lake.silver.permit AS s USING (_batch_id, _source_row)"
        " WHERE NOT s._is_deleted LIMIT 1"
    )
    return ("two rows in bronze.permit",)


def counted_otherwise(copy: Copy) -> tuple[str, ...]:
    """A count of a batch that was committed."""
    copy.lies("UPDATE lake.ops.batch SET rejected = rejected + 1")
    return ("ops.batch tells batch permit-", "otherwise now")


def repointed(copy: Copy) -> tuple[str, ...]:
    """A batch that names another file."""
    copy.lies("UPDATE lake.ops.batch SET sha256 = repeat('a', 64)")
    return ("landing/" + "a" * 64, "gone", "许可_")


def lost(copy: Copy) -> tuple[str, ...]:
    """A landed file that is gone."""
    path = copy.landed("许可_2")
    path.unlink()
    return (path.name, "the landed file is gone", "许可_2")


def unsigned(copy: Copy) -> tuple[str, ...]:
    """A byte of the signature."""
    flip(copy.home.outbox / MONTH / "signature.json")
    return (MONTH, "signature.json")


def described(copy: Copy) -> tuple[str, ...]:
    """A byte of a file that holds no figure."""
    flip(copy.home.outbox / MONTH / "lineage.ndjson")
    return (MONTH, "lineage.ndjson", "was changed")


def added(copy: Copy) -> tuple[str, ...]:
    """A file that was never sealed."""
    folder = copy.home.outbox / MONTH
    folder.chmod(0o755)
    (folder / "note.txt").write_text("x")
    return (MONTH, "note.txt", "does not belong")


def unchained(copy: Copy) -> tuple[str, ...]:
    """A receipt that is gone."""
    copy.lies("DELETE FROM lake.ops.receipt WHERE receipt_no = 2")
    return ("chain of receipts", "number 3 after number 1")


def answered_otherwise(copy: Copy) -> tuple[str, ...]:
    """What the ledger says of an answer."""
    copy.lies("UPDATE lake.ops.acknowledgement SET outcome = 'rejected'")
    return (".ack.json", "outcome is told otherwise")


def forgotten(copy: Copy) -> tuple[str, ...]:
    """The newest package and its receipt, without a trace in the lake or the outbox."""
    shutil.rmtree(copy.home.outbox / LATE)
    copy.lies(
        f"DELETE FROM lake.ops.receipt WHERE package_id = '{LATE}'",
        f"DELETE FROM lake.ops.package WHERE package_id = '{LATE}'",
    )
    return (MONTH, "the end of its history is gone")


def unasked(copy: Copy) -> tuple[str, ...]:
    """An answer to a package that nobody sealed."""
    folder = copy.home.acknowledgements
    shutil.copytree(folder / MONTH, folder / "140321-permit_by_month-209912-r1")
    return ("209912-r1", "the lake does not know")


def other_rows(copy: Copy) -> tuple[str, ...]:
    """The ledger's own words of a package."""
    copy.lies(f"UPDATE lake.ops.package SET row_count = 7 WHERE package_id = '{MONTH}'")
    return (MONTH, "rows is told otherwise in ops.package")


@pytest.mark.parametrize(
    "change",
    [
        silver_file, past_value, past_number, doubled_number, counted_otherwise, repointed, lost,
        unsigned, described, added, unchained, answered_otherwise, other_rows,
        forgotten, unasked,
    ],
)  # fmt: skip
def test_each_is_named(copy: Copy, change: Callable[[Copy], tuple[str, ...]]) -> None:
    """Whatever is changed: a sentence names the file, the table or the row."""
    words = change(copy)
    faults = copy.verify().every_fault
    assert naming(faults, *words), (words, faults)


def test_a_changed_date_changes_the_figure(copy: Copy) -> None:
    """A date of silver changed where it lies moves a figure, and both values are told."""
    copy.rewrite(copy.files_of("silver.permit")[0], "issued_date", 3, None)
    faults = copy.verify(MONTH).every_fault
    assert naming(faults, "silver.permit", "its content is not the one that the receipt names")
    assert (
        f"{MONTH}: row month=202304 column permit_cnt is 38 in the package and 37 made again."
        in (faults)
    )
    assert copy.verify(MONTH, quick=True).every_fault == ()
