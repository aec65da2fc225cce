"""What a read replica holds, in types, and the ops tables' share of it.

Which columns of other tables are shown, and how masked, is decided in ``privacy``; files and
folders are made in ``publish``.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass

from dagster_project.lake import ops
from dagster_project.lake.engine import quoted


@dataclass(frozen=True)
class PublishColumn:
    """One column of the replica.

    ``expression`` is SQL over the source's row; it is left out while the lake's table lacks the
    column ``source`` (a contract may be ahead of its table), or while the publisher was not given
    a parameter that it ``needs``. An empty ``source`` needs no column.
    """

    name: str
    expression: str
    source: str
    comment: str = ""
    needs: tuple[str, ...] = ()


@dataclass(frozen=True)
class PublishTable:
    """One table of the replica, made from the lake's table of the same schema and name.

    ``shared`` tables become Parquet files that replicas share until the table changes, seen
    through a view; the others are copied into the replica itself. ``others`` adds the source's
    columns that are not named, as they are. ``grouped`` groups by every plain column. ``source``
    is the lake's table where its name differs.
    """

    schema: str
    name: str
    comment: str
    columns: tuple[PublishColumn, ...] = ()
    shared: bool = False
    others: bool = False
    grouped: bool = False
    source: str = ""

    @property
    def from_table(self) -> str:
        """The lake's table, unquoted."""
        return self.source or self.name

    def present(
        self, available: Iterable[str], parameters: Iterable[str] = ()
    ) -> tuple[PublishColumn, ...]:
        """The columns that can be made from the ``available`` ones and the parameters given."""
        names, given = list(available), set(parameters)
        if not self.others:
            return tuple(
                column
                for column in self.columns
                if (not column.source or column.source in names) and given.issuperset(column.needs)
            )
        described = {column.source: column for column in self.columns}
        plain = (PublishColumn(name, quoted(name), name) for name in names)
        return tuple(described.get(column.name, column) for column in plain)

    def select(self, columns: tuple[PublishColumn, ...], origin: str = "") -> str:
        """The SELECT that makes these columns from the attached lake, or from another relation."""
        listed = ", ".join(f"{column.expression} AS {quoted(column.name)}" for column in columns)
        origin = origin or f"lake.{quoted(self.schema)}.{quoted(self.from_table)}"
        return f"SELECT {listed} FROM {origin}" + (" GROUP BY ALL" if self.grouped else "")


def fingerprint(plan: Iterable[PublishTable], *more: str) -> str:
    """A hash that changes with anything the plan shows."""
    digest = hashlib.sha256(repr((tuple(plan), more)).encode())
    return digest.hexdigest()[:16]


def ops_tables() -> tuple[PublishTable, ...]:
    """The ops tables without what departments wrote into cells, titles and sheet names.

    Quarantine and repairs are there as the counts of ``batch_rule``, dropped rows as counts by
    batch and kind, stated totals as numbers only.
    """
    number = "TRY_CAST(replace({}, ',', '') AS DECIMAL(38, 4))"
    replaced = {
        ("control_total", "stated"): number.format("stated"),
        ("control_total", "computed"): number.format("computed"),
    }
    tables = [
        PublishTable(
            "ops",
            name,
            table.comment,
            tuple(
                PublishColumn(column, replaced.get((name, column), quoted(column)), column, comment)
                for column, _, comment in table.columns
                if column != "sheet" and (name, column) != ("hold", "findings")
            ),
        )
        for name, table in ops.TABLES.items()
        if not table.personal
    ]
    counts = PublishTable(
        "ops",
        "dropped_row_count",
        "剔除行计数：每批各类剔除行的数量",
        (
            PublishColumn("batch_id", "batch_id", "batch_id", "批次编号"),
            PublishColumn("feed", "feed", "feed", "归集任务（数据项）"),
            PublishColumn("kind", "kind", "kind", "类别"),
            PublishColumn("row_count", "count(*)", "", "行数"),
        ),
        grouped=True,
        source="dropped_row",
    )
    return (*tables, counts)
