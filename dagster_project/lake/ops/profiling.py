"""The ops table of what batches are made of: counts by which a feed is compared with itself."""

from __future__ import annotations

from collections.abc import Mapping

from dagster_project.lake.ops.form import OpsTable

PROFILING: Mapping[str, OpsTable] = {
    "batch_profile": OpsTable(
        "批次构成：每批各字段有值的单元格数，及一二级代码字段每个代码的单元格数",
        """
batch_id VARCHAR 批次编号
feed VARCHAR 归集任务（数据项）
column_name VARCHAR 字段
value VARCHAR 代码；空串为有值的单元格数
cells BIGINT 单元格数
""",
    ),
}
