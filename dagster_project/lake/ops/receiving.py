"""Ops tables of a receiving site: who reports to it, what is owed by when, how it is assessed.

What was received is told by ``ops.received``, which the reception itself keeps.
"""

from __future__ import annotations

from collections.abc import Mapping

from dagster_project.lake.ops.form import OpsTable

RECEIVING: Mapping[str, OpsTable] = {
    "child": OpsTable(
        "报送单位：登记在本级的下级单位，从未报送的也在内",
        """
site_code VARCHAR 报送单位区划代码
site_name VARCHAR 报送单位名称
via VARCHAR 经由哪个下级转报，直接报送的为空串
registered_at TIMESTAMPTZ 登记时间（UTC）
registered_day DATE 登记日（北京时间），自此应报送
removed_at TIMESTAMPTZ 登记取消的时间（UTC），在册的为空
""",
    ),
    "owed_period": OpsTable(
        "应报送期次：每张报表的各个报告期，到期后不再更改",
        """
report VARCHAR 报表
title VARCHAR 报表名称
every VARCHAR 频次：daily、monthly、quarterly、yearly
period VARCHAR 报告期
first_day DATE 本期首日（北京时间）
last_day DATE 本期末日，含当日（北京时间）
due_at TIMESTAMPTZ 应送达时间（UTC）：契约的报送时刻加宽限
shown_until DATE 在报送情况中列示至此日，含当日
""",
    ),
    "assessment_indicator": OpsTable(
        "考核指标：名称、权重与最小样本，来自 schemas/quality.yaml",
        """
indicator VARCHAR 指标
title VARCHAR 指标名称
unit VARCHAR 单位
is_rate BOOLEAN 是否比率；不是的只列数，不排名、不计分
weight BIGINT 权重，不计分的为0
sample BIGINT 最小样本：分母小于它的不排名、不计分
position BIGINT 次序
""",
    ),
    "tier": OpsTable(
        "五色分档：各档的起始分与系数，来自 schemas/quality.yaml",
        """
tier VARCHAR 档：green、blue、yellow、orange、red
title VARCHAR 档名
from_score DECIMAL(5,2) 起始分，含
below_score DECIMAL(5,2) 终止分，不含
coefficient DECIMAL(4,2) 系数
position BIGINT 次序，最好的为1
""",
    ),
}
"""A period that is past is never changed; one that lies ahead follows the report's contract."""
