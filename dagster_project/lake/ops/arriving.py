"""Ops tables of what arrives: contracts, deliveries, holds, batches and their rules."""

from __future__ import annotations

from collections.abc import Mapping

from dagster_project.lake.ops.form import COUNTS, OpsTable

ARRIVING: Mapping[str, OpsTable] = {
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
column VARCHAR 水位线所在的表和列，契约改换后从头抽取
stated_rows BIGINT 清单写明的行数，未写明为空
""",
    ),
    "hold": OpsTable(
        "搁置登记：等人决定的交付，决定前湖内数据不变",
        """
hold_id VARCHAR 搁置编号
feed VARCHAR 归集任务（数据项）
kind VARCHAR 类别：schema结构变化、vanished记录消失、period期次不符、rows行数不符、quality质量超限
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
returned_at TIMESTAMPTZ 退回副本交还部门时间（UTC）
"""
        + COUNTS.strip(),
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
        + COUNTS.strip()
        + """
inserted BIGINT 新增记录数
updated BIGINT 更新记录数
deleted BIGINT 标记删除记录数
live BIGINT 归并后有效记录数
replaced BIGINT 部分重放时重新处理的行数，整批处理时为空
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
replaced BIGINT 部分重放时这些行此前的不合格数，整批处理时为空
""",
    ),
}
