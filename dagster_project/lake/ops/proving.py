"""Ops tables of proof: the receipts of sealed reports, and the content hashes of their inputs."""

from __future__ import annotations

from collections.abc import Mapping

from dagster_project.lake.ops.form import OpsTable

PROVING: Mapping[str, OpsTable] = {
    "receipt": OpsTable(
        "凭证：每个报送包一份，证明其数字由何而来，前后相链，写入后不再更改",
        """
receipt_no BIGINT 凭证序号
package_id VARCHAR 报送包编号
table_name VARCHAR 报表
period VARCHAR 报告期
revision BIGINT 修订次数
snapshot BIGINT 全部输入表的快照号
cut_off_at TIMESTAMPTZ 数据截止时间（UTC）
content_hash VARCHAR 报表内容散列值
previous_hash VARCHAR 上一份凭证的散列值，第一份为空
receipt_hash VARCHAR 本凭证散列值
receipt VARCHAR 凭证全文（规范JSON），与报送包所附一致
""",
    ),
    "input_hash": OpsTable(
        "输入散列：凭证所及的表在其各个状态的内容散列值，状态不变则不再计算",
        """
table_name VARCHAR 表
state VARCHAR 状态：该表当时的数据文件、删除文件和列的散列值
content_hash VARCHAR 内容散列值
row_count BIGINT 行数
hashed_at TIMESTAMPTZ 计算时间（UTC）
""",
    ),
}
