"""What one ops table is: its columns with their Chinese comments, as text."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class OpsTable:
    """One ops table: a comment, and ``name type comment`` lines, one per column.

    ``personal`` tables hold cells as they were sent and never leave the lake.
    """

    comment: str
    text: str
    personal: bool = False

    @property
    def columns(self) -> tuple[tuple[str, str, str], ...]:
        """Name, type and comment of each column."""
        lines = (line.split(maxsplit=2) for line in self.text.strip().splitlines())
        return tuple((name, kind, comment) for name, kind, comment in lines)


COUNTS = """
read BIGINT 读取行数
accepted BIGINT 合格行数
rejected BIGINT 问题行数
duplicate BIGINT 重复行数
superseded BIGINT 被更新记录取代的行数
dropped BIGINT 剔除行数（标题、合计、空行）
"""

PLACE = """
batch_id VARCHAR 批次编号
feed VARCHAR 归集任务（数据项）
sheet VARCHAR 工作表，文本文件为空
source_row BIGINT 文件内行号，含标题行，从1起
"""
