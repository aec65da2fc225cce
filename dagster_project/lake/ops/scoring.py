"""Ops tables that scores are made with: what each dimension weighs."""

from __future__ import annotations

from collections.abc import Mapping

from dagster_project.lake.ops.form import OpsTable

SCORING: Mapping[str, OpsTable] = {
    "quality_dimension": OpsTable(
        "质量维度：GB/T 36344 的六个维度及本县权重，来自 schemas/quality.yaml",
        """
dimension VARCHAR 质量维度（GB/T 36344）
title VARCHAR 维度名称
weight BIGINT 权重，各维度之和不必为一百
position BIGINT 排列次序
""",
    ),
}
