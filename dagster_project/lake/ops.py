"""The ops tables: what happened to every delivery, batch, row, task, check, model and package.

Their form and their Chinese comments; who fills them is told by ``architecture.md``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import duckdb

from dagster_project.lake.engine import literal, quoted

SCHEMAS = ("bronze", "silver", "gold", "report", "city", "ops")


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


_COUNTS = """
read BIGINT 读取行数
accepted BIGINT 合格行数
rejected BIGINT 问题行数
duplicate BIGINT 重复行数
superseded BIGINT 被更新记录取代的行数
dropped BIGINT 剔除行数（标题、合计、空行）
"""

_PLACE = """
batch_id VARCHAR 批次编号
feed VARCHAR 归集任务（数据项）
sheet VARCHAR 工作表，文本文件为空
source_row BIGINT 文件内行号，含标题行，从1起
"""

TABLES: Mapping[str, OpsTable] = {
    "feed": OpsTable(
        "目录：数据契约登记的全部数据项，从未交付的也在内",
        """
feed VARCHAR 归集任务（数据项）
title VARCHAR 名称
department_code VARCHAR 责任部门代码
department_name VARCHAR 责任部门
delivery VARCHAR 交付方式：full全量、incremental增量
is_reference BOOLEAN 是否基准数据
catalogue_code VARCHAR 政务信息资源代码
share_type VARCHAR 共享类型：1无条件、2有条件、3不予共享
update_cycle VARCHAR 承诺更新周期
sla_every BIGINT 更新间隔数
sla_unit VARCHAR 更新间隔单位：d日、w周、m月、q季、y年
due_time VARCHAR 应完成时刻（北京时间）
contract_version VARCHAR 数据契约版本
contract_hash VARCHAR 数据契约散列值
column_cnt BIGINT 信息项数
status VARCHAR 状态：active在用、draft只编目未挂接
level VARCHAR 安全级别：各字段的最高级
channels VARCHAR 同步通道，多个以顿号分隔
is_required BOOLEAN 是否应归集
provider_code VARCHAR 提供方统一社会信用代码
share_condition VARCHAR 共享条件
share_mode VARCHAR 共享方式：1共享平台库表、2共享平台接口、3共享平台文件、4邮件、5拷盘、6介质交换
legal_basis VARCHAR 不予共享的依据
open_type VARCHAR 开放属性：1无条件开放、2有条件开放、3不予开放
published_date DATE 目录发布日期
is_asked BOOLEAN 是否向来源系统查询（接口、数据库），查询无新数据也算更新
""",
    ),
    "contract": OpsTable(
        "契约登记：每份数据契约每次不同的文本，及其与上一份的差异，写入后不再更改",
        """
layer VARCHAR 所在目录：feeds数据项、gold主题表、report报表、city市级表
name VARCHAR 表
title VARCHAR 名称
version VARCHAR 数据契约版本
hash VARCHAR 文本与所用代码表的散列值
first_seen_at TIMESTAMPTZ 首次用到的时间（UTC）
run_id VARCHAR 首次用到的运行编号
text VARCHAR 契约文本（YAML）
codes VARCHAR 所用代码表（JSON）
previous_version VARCHAR 所比较的上一份的版本，第一份为空
changes VARCHAR 与上一份的差异（JSON）
grade VARCHAR 差异等级：breaking不兼容、compatible兼容、cosmetic文字、none无
version_ok BOOLEAN 版本号是否与差异相称
message VARCHAR 不相称时的说明
""",
    ),
    "delivery": OpsTable(
        "交付登记：部门每次送达的文件，重复送达也登记",
        """
delivery_id VARCHAR 交付编号
feed VARCHAR 归集任务（数据项）
channel VARCHAR 同步通道类别：inbox收件箱、sftp、s3、api、postgresql、mysql、sqlite、sqlalchemy
path VARCHAR 收件箱内相对路径，其他通道以通道名开头
sha256 VARCHAR 文件SHA-256
bytes BIGINT 文件字节数
mtime_ns BIGINT 文件修改时间（Unix纳秒）
received_at TIMESTAMPTZ 接收时间（UTC）
run_id VARCHAR 运行编号
outcome VARCHAR 结果：merged已归并、unchanged无变化、refused拒收、held搁置、unreadable不可读
batch_id VARCHAR 批次编号
message VARCHAR 说明
parts VARCHAR 各文件的路径、字节数、修改时间、SHA-256（JSON），单个文件且无清单时为空
server VARCHAR 契约中的通道名，收件箱为空
since VARCHAR 增量抽取的起始水位线
until VARCHAR 增量抽取到达的水位线，下次由此继续
""",
    ),
    "hold": OpsTable(
        "搁置登记：等人决定的交付，决定前湖内数据不变",
        """
hold_id VARCHAR 搁置编号
feed VARCHAR 归集任务（数据项）
kind VARCHAR 类别：schema结构变化、vanished记录大量消失、period期次不符、rows行数不符
delivery_id VARCHAR 交付编号
batch_id VARCHAR 放行后的批次编号
path VARCHAR 收件箱内相对路径
sha256 VARCHAR 文件SHA-256
opened_at TIMESTAMPTZ 搁置时间（UTC）
run_id VARCHAR 运行编号
findings VARCHAR 发现的各项事实（JSON）
message VARCHAR 说明
state VARCHAR 状态：open待决定、accepted放行、refused退回、superseded已被取代、noted只作记录
decided_at TIMESTAMPTZ 决定时间（UTC）
decided_by VARCHAR 决定人
why VARCHAR 决定理由
contract_version VARCHAR 搁置时的数据契约版本
contract_version_after VARCHAR 决定后的数据契约版本
""",
    ),
    "batch_file": OpsTable(
        "批次文件：由多个文件组成的批次，各文件及其在批次中的工作表名前缀",
        """
batch_id VARCHAR 批次编号
feed VARCHAR 归集任务（数据项）
sheet_prefix VARCHAR 工作表名前缀，即文件名
path VARCHAR 收件箱内相对路径
sha256 VARCHAR 文件SHA-256
bytes BIGINT 文件字节数
""",
    ),
    "batch": OpsTable(
        "批次：一次归并的行数守恒记录，提交后不再更改",
        """
batch_id VARCHAR 批次编号
source_batch_id VARCHAR 重放时所依据的原批次
feed VARCHAR 归集任务（数据项）
contract_version VARCHAR 数据契约版本
contract_hash VARCHAR 数据契约散列值
sha256 VARCHAR 文件SHA-256
path VARCHAR 收件箱内相对路径
format VARCHAR 文件格式
encoding VARCHAR 字符编码
delivery VARCHAR 交付方式：full全量、incremental增量
delivered_at TIMESTAMPTZ 送达时间（UTC）
run_id VARCHAR 运行编号
committed_at TIMESTAMPTZ 提交时间（UTC）
"""
        + _COUNTS.strip()
        + """
inserted BIGINT 新增记录数
updated BIGINT 更新记录数
deleted BIGINT 标记删除记录数
live BIGINT 归并后有效记录数
score DECIMAL(5,2) 质量得分（百分制）
units VARCHAR 文件写明的计量单位（JSON：字段→单位）
""",
    ),
    "batch_rule": OpsTable(
        "批次规则计数：每批每条规则检查与不合格（或修复）的数量",
        """
batch_id VARCHAR 批次编号
feed VARCHAR 归集任务（数据项）
rule_id VARCHAR 规则编号
kind VARCHAR 类别：rule校核、warn提示、repair修复、cosmetic格式整理
dimension VARCHAR 质量维度（GB/T 36344）
column_name VARCHAR 字段
checked BIGINT 检查数
failed BIGINT 不合格数或修复数
""",
    ),
    "repair": OpsTable(
        "修复明细：改变了取值的单元格，含原值，不出库",
        _PLACE.strip()
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
        _PLACE.strip()
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
    "dropped_row": OpsTable(
        "剔除行：标题、合计、空行、脚注，原文留存，不出库",
        _PLACE.strip()
        + """
kind VARCHAR 类别：title标题、blank空行、total合计、footnote脚注
content VARCHAR 原文
""",
        personal=True,
    ),
    "control_total": OpsTable(
        "合计核对：文件自报合计与实际合计",
        _PLACE.strip()
        + """
column_name VARCHAR 字段
stated VARCHAR 文件自报合计
computed VARCHAR 实际合计
agrees BOOLEAN 是否一致
""",
    ),
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
        + _COUNTS.strip()
        + """
error VARCHAR 失败原因
trigger VARCHAR 启动方式：schedule定时、arrival到件、retry重试、manual人工、rerun重跑
attempt BIGINT 第几次尝试，首次为1，定时启动后重新计
is_transient BOOLEAN 失败是否可能自行消除，是则自动重试
reason VARCHAR 跳过的原因，未跳过或没有新交付时为空
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
suite VARCHAR 检查来源：countylake、great_expectations
rule_id VARCHAR 规则编号
column_name VARCHAR 字段
severity VARCHAR 严重程度：fail、warn
success BOOLEAN 是否通过
checked BIGINT 检查数
failed BIGINT 不合格数
sampled BOOLEAN 是否抽样
checked_at TIMESTAMPTZ 检查时间（UTC）
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
report VARCHAR 报表
period VARCHAR 报告期
revision BIGINT 修订次数
previous_hash VARCHAR 上一报送包散列值
package_hash VARCHAR 本报送包散列值
content_hash VARCHAR 内容散列值
cut_off_at TIMESTAMPTZ 数据截止时间（UTC）
sealed_at TIMESTAMPTZ 封包时间（UTC）
snapshot BIGINT 快照号
reason VARCHAR 修订原因
""",
    ),
    "notice": OpsTable(
        "通知：每个事由对每个接收方的送达情况，不含接收地址和正文",
        """
notice_id VARCHAR 通知编号（接收方与事由的指纹）
recipient VARCHAR 接收方：地址的引用，不是地址
kind VARCHAR 类别：late逾期、failed失败、drifted结构变化、held搁置、returned退回
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
city VARCHAR 接收单位
acknowledged_at TIMESTAMPTZ 答复时间（UTC）
""",
    ),
}


def missing(con: duckdb.DuckDBPyConnection) -> bool:
    """Whether the attached lake lacks a schema, a table or a column of ours."""
    return bool(_statements(con))


def ensure(con: duckdb.DuckDBPyConnection) -> None:
    """Make whatever schema, ops table or ops column is missing; call it in a transaction.

    A lake that has them all costs two small queries. Columns are only ever added.
    """
    for statement in _statements(con):
        con.execute(statement)


def _statements(con: duckdb.DuckDBPyConnection) -> list[str]:
    found = con.execute(
        "SELECT schema_name FROM duckdb_schemas() WHERE database_name = 'lake'"
    ).fetchall()
    present = {name for (name,) in found}
    columns: dict[str, set[str]] = {}
    for table, column in con.execute(
        "SELECT table_name, column_name FROM duckdb_columns()"
        " WHERE database_name = 'lake' AND schema_name = 'ops'"
    ).fetchall():
        columns.setdefault(table, set()).add(column)
    made = [f"CREATE SCHEMA lake.{name}" for name in SCHEMAS if name not in present]
    for name, table in TABLES.items():
        made += _create(name, table) if name not in columns else _add(name, table, columns[name])
    return made


def _create(name: str, table: OpsTable) -> list[str]:
    full = f"lake.ops.{quoted(name)}"
    body = ", ".join(f"{quoted(column)} {kind}" for column, kind, _ in table.columns)
    comments = [
        f"COMMENT ON COLUMN {full}.{quoted(column)} IS {literal(comment)}"
        for column, _, comment in table.columns
    ]
    return [
        f"CREATE TABLE {full} ({body})",
        f"COMMENT ON TABLE {full} IS {literal(table.comment)}",
        *comments,
    ]


def _add(name: str, table: OpsTable, present: set[str]) -> list[str]:
    full = f"lake.ops.{quoted(name)}"
    made: list[str] = []
    for column, kind, comment in table.columns:
        if column not in present:
            made.append(f"ALTER TABLE {full} ADD COLUMN {quoted(column)} {kind}")
            made.append(f"COMMENT ON COLUMN {full}.{quoted(column)} IS {literal(comment)}")
    return made
