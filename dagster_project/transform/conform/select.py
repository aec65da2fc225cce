"""A plan and a relation of raw rows -> the one SELECT that conforms them.

Stages are nested subselects, each adding columns to the one inside it: plain? -> text -> value ->
parents -> failures and repairs -> words -> row rules -> verdict. DuckDB streams rows through all
of them once. What happens to the result is ``batch``'s business.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import Literal

from sqlglot import exp

from dagster_project.contracts.model import Column
from dagster_project.lake.engine import quoted
from dagster_project.transform.conform import coordinates, mojibake, naming
from dagster_project.transform.conform.ast import (
    Node,
    alias,
    all_of,
    any_of,
    case,
    cast,
    col,
    differs,
    eq,
    fn,
    has_bits,
    is_false,
    is_null,
    ne,
    negate,
    not_null,
    null,
    number,
    one_of,
    plus,
    sql,
)
from dagster_project.transform.conform.ast import text as literal
from dagster_project.transform.conform.cells import Cell
from dagster_project.transform.conform.plan import Plan, RowRule
from dagster_project.transform.conform.stages import raw, stage, stage_name
from dagster_project.transform.conform.tables import SEPARATOR

Named = tuple[str, Node]
Rows = Literal["all", "others", "mojibake"]
# What a statement may ask of its batch; looking for the names in the text beats walking the tree.
PARAMETERS = ("delivered_at", "delivered_day")


def statement(
    plan: Plan, references: frozenset[str], rows: Rows = "all"
) -> tuple[str, tuple[str, ...]]:
    """The one SELECT over ``conform_source`` as text, and the names of its parameters.

    Args:
        plan: The compiled contract; it keeps the text for the next batch.
        references: Columns whose parent can be looked up now; others are not checked.
        rows: ``mojibake`` decodes the rows of that mark and reads them alone; ``others`` reads the
            rest. A batch without the mark, as nearly all are, is read at once.
    """
    if (references, rows) not in plan.statements:
        source = exp.select("*").from_("conform_source")
        if rows == "others":
            source = source.where(differs(col("_defect"), literal(mojibake.MARK)))
        elif rows == "mojibake":
            source = mojibake.repaired(plan.cells, source)
        tree = conforming_select(plan, source, references, decoded=rows == "mojibake")
        text = sql(tree)
        names = tuple(name for name in PARAMETERS if f"${name}" in text)
        plan.statements[references, rows] = (text, names)
    return plan.statements[references, rows]


def with_texts(text: str, names: Iterable[str]) -> str:
    """A statement that also yields the clean texts of some columns, as ``_t_<column>``."""
    stages = ((quoted(stage_name(name, "t")), quoted(f"_t_{name}")) for name in names)
    more = "".join(f"{stage} AS {name}, " for stage, name in stages)
    return f"SELECT {more}{text.removeprefix('SELECT ')}"


def conforming_select(
    plan: Plan,
    source: exp.Select,
    references: Collection[str],
    *,
    decoded: bool = False,
) -> exp.Select:
    """The statement's tree.

    Args:
        plan: The compiled contract.
        source: Rows in the reader's form (or bronze's): every column as text, ``_sheet``,
            ``_source_row``, ``_defect``.
        references: Columns whose parent can be looked up now; others are not checked.
        decoded: The rows come from ``mojibake`` and say which cells it repaired.

    Returns:
        One row per source row: typed columns, ``_sheet``, ``_source_row``, ``_ok``, ``_key`` (of
        rejected rows), ``_hash`` (of valid rows), reason words ``_w0…`` and repair words ``_r0…``.
    """
    tree = typed(plan.cells, source)
    if plan.feed.coordinates:
        columns = {cell.column.name: cell.column for cell in plan.cells}
        tree = coordinates.located(plan.feed.coordinates, columns, tree)
    tree = naming.coded((cell.column for cell in plan.cells), plan.names, references, tree)
    for stage_columns in (
        _helpers(plan, references),
        [*_failures(plan, references), *_repairs(plan, decoded=decoded)],
        [(f"_c{w}", _column_word(plan, w, references)) for w in range(plan.words)],
        [(f"_w{w}", _word(plan, w, references)) for w in range(plan.words)],
        [("_ok", _is_ok(plan))],
    ):
        tree = _wrap(tree, stage_columns)
    return _select(_named(_result(plan)), tree)


def typed(cells: Iterable[Cell], source: exp.Select) -> exp.Select:
    """The source with stages of some columns: k is it plain, w folded, t its text, v its value."""
    chosen = list(cells)
    tree = _wrap(source, [(stage_name(c.column.name, "k"), c.plain) for c in chosen])
    tree = _wrap(tree, [(stage_name(c.column.name, "w"), _folded(c)) for c in chosen])
    tree = _wrap(tree, [(stage_name(c.column.name, "t"), _text(c)) for c in chosen])
    return _wrap(tree, [(stage_name(c.column.name, "v"), _value(c)) for c in chosen])


def _wrap(inner: exp.Select, columns: Iterable[Named]) -> exp.Select:
    made = _named(columns)
    return _select([exp.Star(), *made], inner) if made else inner


def _named(columns: Iterable[Named]) -> list[Node]:
    return [alias(value, name) for name, value in columns]


def _select(columns: list[Node], inner: exp.Select) -> exp.Select:
    return exp.select(*columns, copy=False).from_(inner.subquery("s", copy=False), copy=False)


def _folded(cell: Cell) -> Node:
    return case([(stage(cell.column, "k"), null())], cell.folded)


def _text(cell: Cell) -> Node:
    return case([(stage(cell.column, "k"), raw(cell.column))], cell.clean)


def _value(cell: Cell) -> Node:
    if cell.slow == stage(cell.column, "t"):
        return stage(cell.column, "t")
    return case([(stage(cell.column, "k"), cell.quick)], cell.slow)


def _helpers(plan: Plan, references: Collection[str]) -> list[Named]:
    made = [(stage_name(c.column.name, "x"), c.aux) for c in plan.cells if c.aux is not None]
    for cell in plan.cells:
        parent = cell.column.reference
        if parent is None or not _is_checked(plan, cell, references):
            continue
        known = exp.select(col(parent.column)).from_(
            exp.table_(parent.feed, db="silver", catalog="lake", quoted=True)
        )
        known = known.where(all_of([negate(col("_is_deleted")), not_null(col(parent.column))]))
        if parent.feed == plan.feed.name:
            # A parent may stand in the same file.
            own = [c for c in plan.cells if c.column.name == parent.column]
            rows = typed(own, exp.select("*").from_("conform_source"))
            values = exp.select(stage(own[0].column, "v")).from_(rows.subquery("own"))
            known = exp.union(known, values, copy=False)  # type: ignore[assignment]
        found = exp.In(this=stage(cell.column, "v"), query=exp.Subquery(this=known))
        made.append((stage_name(cell.column.name, "p"), found))
    return made


def _is_checked(plan: Plan, cell: Cell, references: Collection[str]) -> bool:
    return f"{cell.column.name}.reference" in plan.slots and cell.column.name in references


def _failures(plan: Plan, references: Collection[str]) -> list[Named]:
    return [
        (stage_name(cell.column.name, "f"), _failure(plan, cell, references))
        for cell in plan.cells
        if _is_failable(plan, cell, references)
    ]


def _is_failable(plan: Plan, cell: Cell, references: Collection[str]) -> bool:
    return bool(cell.checks) or _is_checked(plan, cell, references)


def _failure(plan: Plan, cell: Cell, references: Collection[str]) -> Node:
    """The bit of the first check that fails, 0 for a valid cell."""

    def bit(rule_id: str) -> Node:
        return number(plan.slots[rule_id].mask)

    required = [bit(c.rule.id) for c in cell.checks if c.rule.kind == "required"]
    branches: list[tuple[Node, Node]] = [
        (is_null(stage(cell.column, "t")), required[0] if required else number(0))
    ]
    for check in cell.checks:
        if check.rule.kind != "required":
            known = [negate(stage(cell.column, "k"))] if check.rule.kind in cell.sure else []
            branches.append((all_of([*known, check.broken]), bit(check.rule.id)))
    if _is_checked(plan, cell, references):
        missing = is_false(stage(cell.column, "p"))
        branches.append((missing, bit(f"{cell.column.name}.reference")))
    return cast(case(branches, number(0)), "BIGINT")


def _repairs(plan: Plan, *, decoded: bool) -> list[Named]:
    words: dict[int, list[Node]] = {}
    slots = iter(plan.repair_slots)
    for cell in plan.cells:
        pairs = [(repair, next(slots)) for repair in cell.repairs]
        first, *others = [(r, case([(r.happened, number(s.mask))], number(0))) for r, s in pairs]
        word = case(
            [(stage(cell.column, "k"), number(0))], plus([bit for r, bit in others if not r.always])
        )
        # The first is the decoding of mojibake, of rows that have a column for it.
        word = plus([word, *(bit for r, bit in others if r.always), *[first[1]] * decoded])
        words.setdefault(pairs[0][1].word, []).append(cast(word, "BIGINT"))
    return [
        (f"_r{word}", case([(_is_marked(plan), number(0))], plus(parts)))
        for word, parts in sorted(words.items())
    ]


def _column_word(plan: Plan, word: int, references: Collection[str]) -> Node:
    made = []
    for cell in plan.cells:
        if _is_failable(plan, cell, references):
            ids = [check.rule.id for check in cell.checks] or [f"{cell.column.name}.reference"]
            if plan.slots[ids[0]].word == word:
                made.append(stage(cell.column, "f"))
    return plus(made)


def _word(plan: Plan, word: int, references: Collection[str]) -> Node:
    """Reasons of one word; a row that the reader marked has that one reason only."""
    bits: list[Node] = [col(f"_c{word}")]
    for rule in plan.row_rules:
        slot = plan.slots[rule.rule.id]
        if slot.word == word:
            bits.append(_row_bit(plan, rule, references))
    marked = [
        (eq(col("_defect"), mark), number(slot.mask if slot.word == word else 0))
        for mark, slot in plan.defects.items()
    ]
    return cast(case(marked, plus(bits)) if marked else plus(bits), "BIGINT")


def _is_marked(plan: Plan) -> Node:
    """Whether the reader's mark sets the row aside."""
    return fn("coalesce", one_of(col("_defect"), plan.defects), exp.false())


def _row_bit(plan: Plan, rule: RowRule, references: Collection[str]) -> Node:
    """A row rule's bit; where a cell that it names is invalid it has nothing to judge."""
    named = {column.name for column in rule.condition.find_all(exp.Column)}
    valid = [
        eq(stage(cell.column, "f"), 0)
        for cell in plan.cells
        if cell.column.name in named and _is_failable(plan, cell, references)
    ]
    broken = is_false(_over_values(rule.condition))
    bit = case([(broken, number(plan.slots[rule.rule.id].mask))], number(0))
    # A CASE of its own: only there is the rule kept from reading invalid cells.
    return case([(all_of(valid), bit)], number(0)) if valid else bit


def _over_values(condition: Node) -> Node:
    """A rule's expression over typed values.

    Casts are tried: a value that does not fit one leaves the rule open and never stops the batch.
    """
    tree: Node = condition.transform(
        lambda node: col(stage_name(node.name, "v")) if isinstance(node, exp.Column) else node
    )
    for node in reversed(list(tree.find_all(exp.Cast))):
        if not isinstance(node, exp.TryCast):
            tried = exp.TryCast(this=node.this, to=node.to)
            tree = tried if node is tree else tree
            node.replace(tried)
    return tree


def _is_ok(plan: Plan) -> Node:
    masks = [(w, plan.mask(w, "fail")) for w in range(plan.words)]
    return negate(any_of([has_bits(col(f"_w{w}"), mask) for w, mask in masks if mask]))


def _result(plan: Plan) -> list[Named]:
    values = [stage(cell.column, "v") for cell in plan.cells]
    keys = {cell.column.name: cell for cell in plan.cells}
    key = _key_text([keys[name].column for name in plan.feed.key])
    rejected = all_of([negate(col("_ok")), negate(_is_marked(plan)), ne(key, "")])
    return [
        *((cell.column.name, value) for cell, value in zip(plan.cells, values, strict=True)),
        ("_sheet", col("_sheet")),
        ("_source_row", col("_source_row")),
        ("_ok", col("_ok")),
        ("_key", case([(rejected, key)])),
        ("_hash", case([(col("_ok"), _record_hash(plan))])),
        *((f"_w{w}", col(f"_w{w}")) for w in range(plan.words)),
        *((f"_r{w}", col(f"_r{w}")) for w in range(plan.repair_words)),
    ]


def _key_text(columns: Sequence[Column]) -> Node:
    """As ``tablesql.record_key``, over typed values or what could not be typed."""
    texts: list[Node] = [
        fn("coalesce", cast(stage(one, "v"), "VARCHAR"), stage(one, "t")) for one in columns
    ]
    if len(texts) == 1:
        return texts[0]
    escaped = (fn("replace", fn("replace", one, "\\", "\\\\"), "|", "\\|") for one in texts)
    return fn("concat_ws", "|", *escaped)


def _record_hash(plan: Plan) -> Node:
    """As ``tables.record_hash``, over typed values."""
    separated: list[Node | str | int] = []
    for name in sorted(cell.column.name for cell in plan.cells):
        separated += [col(stage_name(name, "v")), fn("chr", SEPARATOR)]
    return fn("md5", fn("concat", *separated[:-1]))
