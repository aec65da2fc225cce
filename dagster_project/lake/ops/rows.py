"""Ops tables of rows: what was repaired, rejected, dropped, and what departments must correct."""

from __future__ import annotations

from collections.abc import Mapping

from dagster_project.lake.ops.form import PLACE, OpsTable

ROWS: Mapping[str, OpsTable] = {
    "repair": OpsTable(
        "修复明细：改变了取值的单元格，含原值，不出库",
        PLACE.strip()
        + """
column_name VARCHAR 字段
rule_id VARCHAR 修复规则编号
raw_value VARCHAR 原值
fixed_value VARCHAR 修复后值
""",
        personal=True,
    ),
    "quarantine": OpsTable(
        "问题数据：被校核规则拒绝的行及全部原因，含原文，不出库",
        PLACE.strip()
        + """
record_key VARCHAR 业务主键
reasons VARCHAR[] 全部不合格规则编号
raw VARCHAR 原始各单元格（JSON）
""",
        personal=True,
    ),
    "rectification": OpsTable(
        "整改事项：每条待部门更正的记录一项，从发现到办结，含业务主键，不出库",
        """
case_id VARCHAR 校核编号
feed VARCHAR 归集任务（数据项）
record_key VARCHAR 业务主键，读不出时为空
batch_id VARCHAR 最近一次不合格的批次
sheet VARCHAR 最近一次所在工作表，文本文件为空
source_row BIGINT 最近一次的文件内行号，含标题行，从1起
reasons VARCHAR[] 最近一次的全部不合格规则编号
opened_at TIMESTAMPTZ 首次不合格的送达时间（UTC）
opened_batch_id VARCHAR 首次不合格的批次
opened_sheet VARCHAR 首次所在工作表
opened_row BIGINT 首次的文件内行号
failed_at TIMESTAMPTZ 最近一次不合格的送达时间（UTC）
attempts BIGINT 不合格次数，每批计一次
returned_at TIMESTAMPTZ 退回部门时间（UTC）
state VARCHAR 状态：open待更正、closed已办结、withdrawn已撤回
closed_at TIMESTAMPTZ 办结时间（UTC）
closed_batch_id VARCHAR 办结批次
how VARCHAR 办结方式：corrected更正、superseded同批另有合格行、accepted重核合格、withdrawn全量中已无
""",
        personal=True,
    ),
    "disagreement": OpsTable(
        "数据项不一致：同一主键下与数源部门不一致的数据项，每个责任归集任务一项，含主键，不出库",
        """
case_id VARCHAR 校核编号
entity VARCHAR 实体
record_key VARCHAR 实体主键
item VARCHAR 数据项
feed VARCHAR 应更正的归集任务
column_name VARCHAR 应更正的字段
source_feed VARCHAR 以其取值为准的归集任务
batch_ids VARCHAR[] 目前不一致的各行所在批次
sheets VARCHAR[] 目前不一致的各行所在工作表，文本文件为空
source_rows BIGINT[] 目前不一致的各行的文件内行号，含标题行，从1起
opened_at TIMESTAMPTZ 两个取值都已送达的时间（UTC）
opened_batch_id VARCHAR 首次不一致的批次
opened_sheet VARCHAR 首次所在工作表
opened_row BIGINT 首次的文件内行号
failed_at TIMESTAMPTZ 最近一次不一致的送达时间（UTC）
attempts BIGINT 不一致次数，每次送达计一次
returned_at TIMESTAMPTZ 退回部门时间（UTC）
state VARCHAR 状态：open待更正、closed已办结、withdrawn已撤回
closed_at TIMESTAMPTZ 办结时间（UTC）
closed_batch_id VARCHAR 使双方一致的批次
how VARCHAR 办结方式：agreed双方一致、withdrawn一方不再提供、该行或规则已不存在、数源改变
""",
        personal=True,
    ),
    "finding": OpsTable(
        "核查事项：违反跨行、跨表、跨部门规则的有效记录，每条规则每条记录一项，含业务主键，不出库",
        """
case_id VARCHAR 校核编号
feed VARCHAR 应核实的归集任务
rule_id VARCHAR 规则编号
severity VARCHAR 严重程度：fail应更正、warn应核实
record_key VARCHAR 业务主键
record_hash VARCHAR 记录业务字段的MD5
batch_id VARCHAR 目前该记录所在批次
sheet VARCHAR 目前所在工作表，文本文件为空
source_row BIGINT 目前的文件内行号，含标题行，从1起
opened_at TIMESTAMPTZ 首次发现时间（UTC）
opened_batch_id VARCHAR 首次发现时所在批次
opened_sheet VARCHAR 首次发现时所在工作表
opened_row BIGINT 首次发现时的文件内行号
failed_at TIMESTAMPTZ 该记录最近一次送达后仍不符的发现时间（UTC）
attempts BIGINT 不符次数，记录每次变化后重计
returned_at TIMESTAMPTZ 退回部门时间（UTC）
state VARCHAR 状态：open待核实、closed已办结、withdrawn已撤回、confirmed核实无误
closed_at TIMESTAMPTZ 办结时间（UTC）
closed_batch_id VARCHAR 办结时该记录所在批次
how VARCHAR 办结方式：corrected已相符、withdrawn记录已不存在、rule_gone规则已取消、confirmed核实无误
rule_hash VARCHAR 该记录所违反的规则（含阈值）的SHA-256
""",
        personal=True,
    ),
    "dropped_row": OpsTable(
        "剔除行：标题、合计、空行、脚注，原文留存，不出库",
        PLACE.strip()
        + """
kind VARCHAR 类别：title标题、blank空行、total合计、footnote脚注
content VARCHAR 原文
""",
        personal=True,
    ),
    "control_total": OpsTable(
        "合计核对：文件自报合计与实际合计",
        PLACE.strip()
        + """
column_name VARCHAR 字段
stated VARCHAR 文件自报合计
computed VARCHAR 实际合计
agrees BOOLEAN 是否一致
""",
    ),
}
