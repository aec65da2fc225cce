"""Ops tables of what runs: tasks, checks, models, packages, notices and answers."""

from __future__ import annotations

from collections.abc import Mapping

from dagster_project.lake.ops.form import COUNTS, OpsTable

RUNNING: Mapping[str, OpsTable] = {
    "task_run": OpsTable(
        "任务执行：每个归集、模型、报送任务每次执行",
        """
run_id VARCHAR 运行编号
task VARCHAR 任务
kind VARCHAR 类别：feed归集、model模型、report报送
department VARCHAR 责任部门
day DATE 所属日期（北京时间）
due_at TIMESTAMPTZ 应完成时间（UTC）
started_at TIMESTAMPTZ 开始时间（UTC）
finished_at TIMESTAMPTZ 结束时间（UTC）
status VARCHAR 状态：success成功、failed失败、skipped跳过、partial部分成功
deliveries BIGINT 交付数
"""
        + COUNTS.strip()
        + """
error VARCHAR 失败原因
trigger VARCHAR 启动方式：schedule定时、arrival到件、retry重试、manual人工、rerun重跑
attempt BIGINT 第几次尝试，首次为1，定时启动后重新计
is_transient BOOLEAN 失败是否可能自行消除，是则自动重试
reason VARCHAR 跳过的原因，未跳过或没有新交付时为空
unreached BIGINT 未能访问的通道数
""",
    ),
    "task_decision": OpsTable(
        "任务决定：对归集任务的暂停、恢复与重跑，及其理由",
        """
task VARCHAR 任务
action VARCHAR 决定：pause暂停、resume恢复、rerun重跑一期、backfill补采区间
decided_at TIMESTAMPTZ 决定时间（UTC）
decided_by VARCHAR 决定人
why VARCHAR 决定理由
since DATE 重跑区间首日（北京时间）
until DATE 重跑区间末日，含当日（北京时间）
run_id VARCHAR 重跑的运行编号
""",
    ),
    "check_result": OpsTable(
        "检查结果：每次检查的结论与数量",
        """
run_id VARCHAR 运行编号
batch_id VARCHAR 批次编号
table_name VARCHAR 表
suite VARCHAR 检查来源：countylake、great_expectations、own本县自定
rule_id VARCHAR 规则编号
column_name VARCHAR 字段
severity VARCHAR 严重程度：fail、warn
success BOOLEAN 是否通过
checked BIGINT 检查数
failed BIGINT 不合格数
sampled BOOLEAN 是否抽样
checked_at TIMESTAMPTZ 检查时间（UTC）
dimension VARCHAR 质量维度（GB/T 36344），预警规则为空
basis VARCHAR 结论所依据的规则与输入的散列值，依据不变则不再检查
""",
    ),
    "model_build": OpsTable(
        "模型构建：每次重算的输入、输出与散列值",
        """
table_name VARCHAR 表
layer VARCHAR 层：gold、report、city
run_id VARCHAR 运行编号
built_at TIMESTAMPTZ 构建时间（UTC）
cut_off_at TIMESTAMPTZ 数据截止时间（UTC）
sql_hash VARCHAR SQL散列值
inputs VARCHAR 输入表及其版本（JSON）
content_hash VARCHAR 内容散列值
row_count BIGINT 行数
snapshot BIGINT 快照号
""",
    ),
    "package": OpsTable(
        "报送包：编号连续、前后相链",
        """
package_no BIGINT 报送序号
package_id VARCHAR 报送包编号
kind VARCHAR 种类：report报送、withdrawal撤回
report VARCHAR 报表
period VARCHAR 报告期
revision BIGINT 修订次数
previous_hash VARCHAR 上一报送包散列值
package_hash VARCHAR 本报送包散列值
content_hash VARCHAR 内容散列值，撤回为空
receipt_hash VARCHAR 凭证散列值
cut_off_at TIMESTAMPTZ 数据截止时间（UTC）
sealed_at TIMESTAMPTZ 封包时间（UTC）
snapshot BIGINT 快照号
reason VARCHAR 修订原因
held VARCHAR 截止时搁置的归集任务（JSON），与状态文件所写一致，旧版本为空
day DATE 报表所报之日（北京时间），即模型参数
row_count BIGINT 行数，撤回为零
contract_version VARCHAR 契约版本
contract_hash VARCHAR 契约散列值
sql_hash VARCHAR SQL散列值
recipe_hash VARCHAR 报表及其下各模型的SQL与契约合计散列值
decided_by VARCHAR 决定补报、重报或撤回的人，自动封包时为空
""",
    ),
    "notice": OpsTable(
        "通知：每个事由对每个接收方的送达情况，不含接收地址和正文",
        """
notice_id VARCHAR 通知编号（接收方与事由的指纹）
recipient VARCHAR 接收方：地址的引用，不是地址
kind VARCHAR 类别：late逾期、failed失败、drifted结构变化、held搁置、returned退回等
task VARCHAR 归集任务
department VARCHAR 责任部门
content VARCHAR 内容指纹，变化后再次通知
first_at TIMESTAMPTZ 首次发现时间（UTC）
tried_at TIMESTAMPTZ 最近发送时间（UTC）
told_at TIMESTAMPTZ 最近送达时间（UTC），从未送达为空
attempts BIGINT 连续未送达次数，送达后归零
state VARCHAR 状态：waiting待送达、told已送达、recovering恢复待通知、over已了结
""",
    ),
    "acknowledgement": OpsTable(
        "回执：上级对报送包的答复",
        """
package_id VARCHAR 报送包编号
outcome VARCHAR 结果
reasons VARCHAR 原因
remarks VARCHAR 附言：已入库而仍须留意之处
recipient VARCHAR 接收单位
head_no BIGINT 接收单位所知的最后序号
head_hash VARCHAR 接收单位所知的最后报送包散列值
package_hash VARCHAR 所答复的报送包散列值，签名无效时为空
signed_hash VARCHAR 签名回执原文的散列值
acknowledged_at TIMESTAMPTZ 答复时间（UTC）
""",
    ),
}
