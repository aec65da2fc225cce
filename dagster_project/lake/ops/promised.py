"""Ops tables of what departments promise: by when each period of a feed is due."""

from __future__ import annotations

from collections.abc import Mapping

from dagster_project.lake.ops.form import OpsTable

PROMISED: Mapping[str, OpsTable] = {
    "deadline": OpsTable(
        "应完成时间：每个数据项自首次执行起每一期，到期后不再更改",
        """
feed VARCHAR 归集任务（数据项）
first_day DATE 本期首日（北京时间）
last_day DATE 本期末日，含当日（北京时间）
opens_at TIMESTAMPTZ 自此送达的算本期（UTC）
due_at TIMESTAMPTZ 应完成时间（UTC）
calendar VARCHAR 日历：workdays只在工作日到期，空为每日
promise VARCHAR 当时契约的承诺：更新间隔与时刻
""",
    ),
}
"""A deadline that lies ahead follows the contract; one that is past is never changed."""
