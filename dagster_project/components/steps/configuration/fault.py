"""One thing that is wrong with how a site is set up: what, where, what to do."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

from dagster_project.contracts.model import Problem
from dagster_project.contracts.repeated import REMEDY
from dagster_project.errors import CountyLakeError

Group = Literal[
    "settings",
    "site",
    "folders",
    "keys",
    "machine",
    "contracts",
    "calendar",
    "versions",
    "catalogue",
    "items",
    "models",
    "sources",
]
GROUPS: Mapping[Group, str] = {
    "settings": "设置 settings",
    "site": "站点 site",
    "folders": "目录 folders",
    "keys": "密钥 keys",
    "machine": "机器 machine",
    "contracts": "契约 contracts",
    "calendar": "日历 calendar",
    "versions": "版本 versions",
    "catalogue": "资源目录 catalogue",
    "items": "数据项 data items",
    "models": "模型 SQL models",
    "sources": "来源 sources",
}
"""Every group, in the order in which faults are told."""
OF_CONTRACTS: frozenset[Group] = frozenset(
    {"contracts", "calendar", "versions", "catalogue", "items"}
)
"""Groups that whoever writes contracts mends; the others are the operator's."""


@dataclass(frozen=True)
class Fault:
    """A sentence for the person who must act.

    A warning keeps nothing from working as it was meant; everything else is an error.
    """

    group: Group
    what: str
    where: str = ""
    todo: str = ""
    is_warning: bool = False

    def __str__(self) -> str:
        """The sentence with its place and its remedy."""
        place = f"{self.where}: " if self.where else ""
        return f"{place}{self.what}." + (f" {self.todo}." if self.todo else "")

    def data(self) -> dict[str, Any]:
        """As JSON tells it."""
        return asdict(self)


def of_error(group: Group, error: CountyLakeError, *, is_warning: bool = False) -> Fault:
    """An error as a fault."""
    return Fault(group, error.what, error.where, error.todo, is_warning)


def of_problem(group: Group, problem: Problem) -> Fault:
    """A contract's or model's problem as a fault; its sentence may say the remedy itself."""
    what, where = problem.sentence.rstrip("."), f"{problem.path}:{problem.line}"
    if what.endswith(f"; {REMEDY}"):
        todo = f"{REMEDY[0].upper()}{REMEDY[1:]}"
        return Fault(group, what.removesuffix(f"; {REMEDY}"), where, todo)
    return Fault(group, what, where)
