"""Ops tables of the correction loop: decisions on cases, corrections asked for, their deadlines."""

from __future__ import annotations

from collections.abc import Mapping

from dagster_project.lake.ops.form import OpsTable

CARING: Mapping[str, OpsTable] = {
    "case_event": OpsTable(
        "校核过程：人对校核事项所作的每个决定，只增不改",
        """
case_id VARCHAR 校核编号
decided_at TIMESTAMPTZ 时间（UTC）
event VARCHAR 决定：assign指派、extend延期、confirm核实无误、raise提出、answer答复
decided_by VARCHAR 决定人
why VARCHAR 理由
assignee VARCHAR 指派给谁，只用于指派
workdays BIGINT 延长的工作日数，只用于延期
""",
        personal=True,
    ),
    "correction": OpsTable(
        "更正请求：数据使用方（含上级）提出的更正，由提供方答复",
        """
case_id VARCHAR 校核编号
feed VARCHAR 应核实的归集任务，不来自任何归集任务的指标为空
correction_id VARCHAR 上级的更正请求编号，涉及几个归集任务的各立一项；本县提出时为空
origin VARCHAR 提出方：county本县、city上级
origin_code VARCHAR 提出单位区划代码
asked_by VARCHAR 提出人
asked_at TIMESTAMPTZ 提出时间（UTC）
table_name VARCHAR 所指的表：silver.<归集任务>，或报表 report.<表>
place VARCHAR 所指的行：主键或维度及其取值（JSON）
column_name VARCHAR 所指的字段
package_id VARCHAR 所指的报送包，本县提出时为空
why VARCHAR 理由
returned_at TIMESTAMPTZ 随批注副本退回部门的时间（UTC）
state VARCHAR 状态：open待答复、closed已答复
how VARCHAR 结果：corrected已更正、unfounded核实无误
answer VARCHAR 答复
answered_by VARCHAR 答复人
answered_at TIMESTAMPTZ 答复时间（UTC）
""",
        personal=True,
    ),
    "case_deadline": OpsTable(
        "校核办结时限：各类事项的工作日数，来自 schemas/quality.yaml",
        """
kind VARCHAR 类别：fail、warn、held、late、disagreement、correction（见 gold.rectification_case）
workdays BIGINT 工作日数
""",
    ),
    "workday": OpsTable(
        "工作日历：自2020年起每日是第几个工作日，来自 schemas/calendar.csv",
        """
day DATE 日期（北京时间）
is_workday BOOLEAN 是否工作日
number BIGINT 自2020年1月1日起至当日的工作日数
""",
    ),
}
