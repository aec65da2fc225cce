"""What a contract is, in types. Reading the YAML is ``reader``'s work, not this module's."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any, Literal

from dagster_project.contracts.entities import DataItems
from dagster_project.contracts.own_expectation import OwnExpectation
from dagster_project.contracts.policy import Policy
from dagster_project.contracts.report_words import PeriodKind, SmallCells
from dagster_project.contracts.rounding import Rounding
from dagster_project.contracts.shift_words import Shifts
from dagster_project.contracts.table_rule import Gate, TableRule
from dagster_project.contracts.workdays import Calendar

LogicalType = Literal["string", "integer", "decimal", "date", "timestamp", "boolean"]
Level = Literal["L1", "L2", "L3", "L4"]
Severity = Literal["fail", "warn"]
Layer = Literal["silver", "gold", "report", "city"]
ServerType = Literal["local", "sftp", "s3", "api", "postgresql", "mysql", "sqlite", "sqlalchemy"]
ANSWERING: tuple[ServerType, ...] = ("api", "postgresql", "mysql", "sqlite", "sqlalchemy")
"""Channels whose source says by itself that it has nothing new; a folder says nothing."""
DriftKind = Literal["renamed", "added", "missing", "narrowed", "codes", "unit", "width"]
DriftAction = Literal["note", "pause", "refuse"]

DRIFT_KINDS: Mapping[DriftKind, DriftAction] = {
    "renamed": "pause",
    "added": "note",
    "missing": "pause",
    "narrowed": "pause",
    "codes": "note",
    "unit": "pause",
    "width": "pause",
}
"""How a file may differ from its contract, and what is done where the contract does not say."""

WORKBOOKS = ("xlsx", "xls", "xlsb", "ods", "html", "xml2003")
"""Kinds of files that hold sheets; a contract accepts them all as ``workbook``."""
DELIMITERS = (",", "\t", ";", "|", "，")
"""What may stand between the cells of a text table."""


@dataclass(frozen=True)
class Code:
    """One entry of a code list; ``synonyms`` are the spellings that departments use for it."""

    code: str
    title: str
    synonyms: tuple[str, ...] = ()
    valid_from: date | None = None
    valid_to: date | None = None


@dataclass(frozen=True)
class CodeList:
    """``schemas/codes/<name>.csv`` with the source of its entries and what they are codes of."""

    name: str
    source: str
    entries: tuple[Code, ...]
    title: str = ""

    @property
    def codes(self) -> tuple[str, ...]:
        """Every code, in the file's order."""
        return tuple(entry.code for entry in self.entries)


@dataclass(frozen=True)
class Reference:
    """A foreign key: this column's values are ``feed.column``'s values.

    ``rejects`` is true when the parent is a reference feed or of the same department; between
    departments a missing parent only warns, and is counted over silver after the merge.
    ``title`` is the parent's own, for people.
    """

    feed: str
    column: str
    rejects: bool
    title: str = ""

    @property
    def shown(self) -> str:
        """The parent as a Chinese sentence names it."""
        return f"“{self.title}”" if self.title else f" {self.feed} "


@dataclass(frozen=True)
class Column:
    """One column of a table.

    ``title`` is the Chinese header; ``aliases`` are other headers seen in files. ``unit`` is the
    unit of the stored value (元, 亩, ㎡). ``pad`` is the fixed width of a code that lost zeros.
    ``nulls`` are spellings of "no value" that this column has besides the usual ones. ``share``
    says how a share is stored: 95.66 (percent) or 0.9566 (ratio). ``partial`` lets a date be a
    ``month``, read as its first day. ``open_end`` lets a date be 长期, read as 9999-12-31.
    """

    name: str
    title: str
    type: LogicalType
    description: str = ""
    aliases: tuple[str, ...] = ()
    required: bool = False
    key_position: int = 0
    level: Level = "L2"
    mask: str = "none"
    codes: str = ""
    format: str = ""
    textual: bool = False
    pad: int = 0
    nulls: tuple[str, ...] = ()
    max_length: int = 0
    pattern: str = ""
    minimum: str = ""
    maximum: str = ""
    precision: int = 18
    scale: int = 2
    unit: str = ""
    share: Literal["", "percent", "ratio"] = ""
    partial: Literal["", "month"] = ""
    open_end: bool = False
    reference: Reference | None = None
    rounding: Rounding | None = None
    line: int = 0

    @property
    def is_key(self) -> bool:
        """Whether the column is part of the business key."""
        return self.key_position > 0

    @property
    def duck_type(self) -> str:
        """The column's type in silver, as DuckDB writes it."""
        if self.type == "decimal":
            return f"DECIMAL({self.precision},{self.scale})"
        return {
            "string": "VARCHAR",
            "integer": "BIGINT",
            "date": "DATE",
            "timestamp": "TIMESTAMP",
            "boolean": "BOOLEAN",
        }[self.type]


@dataclass(frozen=True)
class Rule:
    """A row rule: the row fails when ``expression`` (SQL over typed columns) is false.

    ``columns`` are the columns the expression names. Where one of them failed a cell rule the row
    rule has nothing to judge and passes: one fault gives one reason. A rule without a dimension is
    a flag (预警): it is counted, and in no score. ``parameters`` are the thresholds as they were
    filled into the expression.
    """

    id: str
    expression: str
    message: str
    dimension: str
    severity: Severity = "fail"
    columns: tuple[str, ...] = ()
    parameters: Mapping[str, str] = field(default_factory=dict)
    line: int = 0


@dataclass(frozen=True)
class Coordinates:
    """Two columns that are one place in CGCS2000, and how files write it.

    ``within`` is west, south, east, north; ``system`` is that of the files.
    """

    longitude: str
    latitude: str
    within: tuple[str, str, str, str]
    system: Literal["cgcs2000", "wgs84", "gcj02", "bd09"] = "cgcs2000"


@dataclass(frozen=True)
class Sla:
    """How often a feed comes (``every`` × ``unit``) and by when (HH:MM, Asia/Shanghai).

    ``schedule`` is the cron line by which its task starts; empty where it follows from the rest.
    ``calendar`` says on which days it can be due: every day, or on working days only, which are
    those of ``workdays``.
    """

    every: int = 1
    unit: Literal["d", "w", "m", "q", "y"] = "d"
    due_time: str = "20:00"
    schedule: str = ""
    calendar: Literal["", "workdays"] = ""
    workdays: Calendar = field(default_factory=Calendar, compare=False, repr=False)


@dataclass(frozen=True)
class Watermark:
    """What only grows in a source, by which it is read piece by piece.

    ``column`` is the source's own name. An extract begins ``overlap`` below the last one's end
    (seconds, whole days of a date, units of a number), for rows that are committed late.
    ``parameter`` and ``until`` are what an interface calls the two ends of a range.
    """

    column: str
    overlap: int = 0
    parameter: str = ""
    until: str = ""


@dataclass(frozen=True)
class Server:
    """One channel of a feed: where its deliveries come from (``servers`` of the contract).

    ``path`` is a glob below the inbox, or an SQLite file there. ``location`` is the address of
    files, of an interface, or SQLAlchemy's URL. ``credentials`` names a secret and never holds it.
    ``options`` are ``hostKey``, ``region`` and ``request`` as the contract writes them.
    """

    name: str
    type: ServerType = "local"
    format: str = ""
    path: str = ""
    location: str = ""
    endpoint: str = ""
    host: str = ""
    port: int = 0
    database: str = ""
    schema: str = ""
    table: str = ""
    credentials: str = ""
    watermark: Watermark | None = None
    slice_rows: int = 1_000_000
    options: Mapping[str, Any] = field(default_factory=dict)
    line: int = 0


@dataclass(frozen=True)
class FilePeriod:
    """The period that a file's name states (see ``periods``) is that of this column's dates."""

    column: str
    pattern: str


@dataclass(frozen=True)
class Feed:
    """One department feed: everything the programme knows of it.

    With ``manifest`` a file is taken only when a manifest names it; with ``parts`` files named
    1of3, 2of3, 3of3 are one delivery. A full snapshot that lacks more than the share ``vanishing``
    of the live records is held; a number of rows that differs from what is usual by more than the
    share ``volume`` is told, and so are ``shifts``. ``period`` holds files of another month than
    their name says.

    ``sheet_names`` are the sheets to read where ``sheets`` is ``named``. A ``headerless`` file has
    no titles: its columns are the contract's, in their order. Of a register, ``name_column`` holds
    the names that other feeds may write in place of its codes. ``drift`` says what to do about
    differences where that is not what ``DRIFT_KINDS`` says.
    """

    name: str
    title: str
    version: str
    department_code: str
    department_name: str
    columns: tuple[Column, ...]
    rules: tuple[Rule, ...]
    delivery: Literal["full", "incremental"]
    servers: tuple[Server, ...]
    sla: Sla
    order_by: str = ""
    is_reference: bool = False
    sheets: Literal["all", "first", "named"] = "first"
    sheet_names: tuple[str, ...] = ()
    headerless: bool = False
    encodings: tuple[str, ...] = ("utf-8", "gb18030")
    formats: tuple[str, ...] = ("csv", "xlsx")
    delimiters: tuple[str, ...] = DELIMITERS
    manifest: bool = False
    parts: bool = False
    vanishing: float = 0.05
    volume: float = 0.3
    shifts: Shifts = field(default_factory=Shifts)
    period: FilePeriod | None = None
    drift: Mapping[DriftKind, DriftAction] = field(default_factory=dict)
    coordinates: Coordinates | None = None
    name_column: str = ""
    table_rules: tuple[TableRule, ...] = ()
    gate: Gate = field(default_factory=Gate)
    description: str = ""
    domain: str = ""
    owner: str = ""
    catalogue: Mapping[str, Any] = field(default_factory=dict)
    status: Literal["active", "draft"] = "active"
    path: str = ""
    hash: str = ""

    @property
    def key(self) -> tuple[str, ...]:
        """The business key's columns, in order."""
        keyed = sorted((c for c in self.columns if c.is_key), key=lambda c: c.key_position)
        return tuple(c.name for c in keyed)

    @property
    def patterns(self) -> tuple[str, ...]:
        """The globs of its files below the inbox."""
        return tuple(server.path for server in self.servers if server.type == "local")

    @property
    def pulled(self) -> tuple[Server, ...]:
        """The channels by which the county itself fetches its deliveries."""
        return tuple(server for server in self.servers if server.type != "local")

    @property
    def is_asked(self) -> bool:
        """Whether a channel asks a source that answers for itself: no news is an answer, too."""
        return any(server.type in ANSWERING for server in self.servers)

    def column(self, name: str) -> Column:
        """The column of that name.

        Raises:
            KeyError: No such column.
        """
        for column in self.columns:
            if column.name == name:
                return column
        raise KeyError(name)


@dataclass(frozen=True)
class Table:
    """A gold, report or city table; only columns *made* there are described here.

    In silver it is the table of an entity, whose columns all come from ``items.yaml``.
    ``period_column`` says which period a row belongs to; without it a report tells of the state at
    its cut-off.
    """

    name: str
    layer: Layer
    title: str
    version: str
    description: str = ""
    columns: tuple[Column, ...] = ()
    key: tuple[str, ...] = ()
    rules: tuple[Rule, ...] = ()
    period: PeriodKind | Literal[""] = ""
    period_column: str = ""
    due_time: str = "20:30"
    small_cells: SmallCells | None = None
    may_be_empty: bool = False
    owner: str = ""
    catalogue: Mapping[str, Any] = field(default_factory=dict)
    path: str = ""
    hash: str = ""


@dataclass(frozen=True)
class Problem:
    """Why one contract was refused: file, line, sentence."""

    path: str
    line: int
    sentence: str

    def __str__(self) -> str:
        """``file:line: sentence``."""
        return f"{self.path}:{self.line}: {self.sentence}"


@dataclass(frozen=True, eq=False)
class Contracts:
    """Everything below ``schemas/`` that could be read, and why the rest could not.

    Two are the same only if they were read at once: what is made of them is kept by that.
    ``drafts`` are feeds that are catalogued and that nobody supplies yet: they have no task, no
    tables and no assets. ``suites`` are the county's own expectations, by feed.
    """

    feeds: Mapping[str, Feed]
    tables: Mapping[tuple[Layer, str], Table]
    codes: Mapping[str, CodeList]
    problems: tuple[Problem, ...] = ()
    drafts: Mapping[str, Feed] = field(default_factory=dict)
    items: DataItems = field(default_factory=DataItems)
    policy: Policy = field(default_factory=Policy)
    calendar: Calendar = field(default_factory=Calendar)
    suites: Mapping[str, tuple[OwnExpectation, ...]] = field(default_factory=dict)
