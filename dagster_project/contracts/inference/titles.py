"""What titles say of a column besides its name: counts, money, codes, times, persons.

Each answer is a word of evidence, not a decision: cells are asked as well.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from dagster_project.contracts.model import Level

_UNIT = re.compile(r"^(.*?)\s*[(（]\s*(?:单位[:：])?\s*([^()（）]{1,8})\s*[)）]$")
COUNT = re.compile(
    r"(?:次数|人数|户数|天数|张数|件数|份数|个数|房间数|数量|总数|数|楼层|层数|年龄|年份|年度)$"
)
MONEY = re.compile(
    r"(?:金额|总额|价款|单价|价格|造价|租金|押金|保证金|工资|补贴|补助金?|补助额|余额|原值|净值|折旧"
    r"|收入|支出|费用?|税额?|经费|资金|预算|投资额?|资本)$"
)
AREA = re.compile(r"面积$")
CODE = re.compile(
    r"(?:编号|编码|代码|号码|单号|证号|账号|卡号|标识码|代号|学号|工号|户号|号|[Ii][Dd])$"
)
ORDINAL = re.compile(
    r"(?:序号|行号|分录号|步骤|楼层|层级?号?|次序|顺序号|排序|seq|line_?no|step)$", re.IGNORECASE
)
FLAG = re.compile(r"^(?:是否|有无|能否|已否)|(?:标志|标识|与否)$|是否|^is_|^has_", re.IGNORECASE)
TIME = re.compile(r"时间$|时刻$|_?time$|_at$|datetime", re.IGNORECASE)
DAY = re.compile(r"日期$|日$|年月日?$|之日$|_?date$|^date|期限$|时限$|有效期|至$", re.IGNORECASE)
PERIOD = re.compile(r"(?:期间|月份|账期|所属期|年月|period|month)$", re.IGNORECASE)
YEAR = re.compile(r"(?:年份|年度|年)$|year$", re.IGNORECASE)
UPDATED = re.compile(
    r"(?:最[后近])?(?:更新|修改|变更)(?:时间|日期|于)?$|update[d_]?_?(?:at|time|date)?$|^mtime$"
    r"|modif(?:ied|y)|last_?(?:update|modified)|gmt_modified", re.IGNORECASE,
)  # fmt: skip
TEXT = re.compile(
    r"(?:名称|姓名|标题|内容|摘要|描述|说明|备注|意见|地址|住址|坐落|位置|地点|用途|原因|理由|四至|范围"
    r"|情况|事由|规格|型号|材质|照片|附件|道路|来源|单位|人|银行|name|title|note|remark|addr(?:ess)?"
    r"|desc(?:ription)?|content|comment|summary)$", re.IGNORECASE,
)  # fmt: skip
LONGITUDE = re.compile(r"经度|^lon(?:gitude)?$|^lng$|_lon$|_lng$", re.IGNORECASE)
LATITUDE = re.compile(r"纬度|^lat(?:itude)?$|_lat$", re.IGNORECASE)
SHARE = re.compile(r"(?:率|比例|占比|百分比|比重|份额|percent|pct|ratio)$", re.IGNORECASE)
OPEN = re.compile(r"(?:有效期|截止|到期|失效|停用|终止|结束)", re.IGNORECASE)
SNAPSHOT = re.compile(r"台账|名册|名单|清单|目录|登记簿|花名册|全量|一览|字典|档案|底册")
INCREMENT = re.compile(
    r"增量|流水|工单|记录|日志|办件|支付|审批|凭证|分录|案件|日报|明细|订单|incr|log", re.IGNORECASE
)

KEY: Final = (
    (re.compile(r"^(?:主键|pk|id|uuid|guid)$", re.IGNORECASE), 5),
    (re.compile(r"(?:编号|单号|流水号|唯一标识|标识码)$|_(?:no|id)$", re.IGNORECASE), 4),
    (re.compile(r"(?:编码|代码|证号|账号|号码)$|code$|number$", re.IGNORECASE), 3),
    (re.compile(r"(?:序号|行号|分录号|步骤|号)$|seq$|line$|step$", re.IGNORECASE), 2),
    (re.compile(r"(?:期间|日期|时间|年度|月份|批次)$|date$|time$|period$", re.IGNORECASE), 1),
)
"""How much a title sounds like a part of a key."""


@dataclass(frozen=True)
class Privacy:
    """What titles of personal columns look like, how personal they are, and the mask for them."""

    expression: re.Pattern[str]
    level: Level
    mask: str
    what: str


def _said(pattern: str, level: Level, mask: str, what: str) -> Privacy:
    return Privacy(re.compile(pattern, re.IGNORECASE), level, mask, what)


PRIVATE: Final = (
    _said(
        r"统一社会信用代码|信用代码|组织机构|机构代码|单位名称|企业名称|机构名称|单位电话|科目|类型|类别|种类$",
        "L2", "none", "an organisation or a kind",
    ),
    _said(r"身份证|身份号码|证件号|护照号|通行证号|社保卡号|医保卡号|学籍号|id_?card|id_no|passport", "L4", "id",
          "the number of a person's document"),
    _said(r"(?:银行|收款|付款|开户|发放)?(?:账号|帐号|账户号|卡号)|bank_?(?:card|account)|account_?no", "L4",
          "account", "an account or a card"),
    _said(r"诊断|病(?:名|种|情|史|历)|疾病|残疾|精神|健康状况|血型|指纹|人脸|基因|过敏|艾滋|吸毒|矫正|刑满"
          r"|宗教|信仰|举报人|诉求人$|投诉人|diagnos|disease|disab|health", "L4", "drop",
          "health, belief or a protected person"),
    _said(r"密码|口令|password|secret", "L4", "drop", "a secret"),
    _said(r"(?<!人)(?<!单位)(?:联系)?电话|手机|联系方式|phone|mobile|tel$", "L3", "phone", "a phone number"),
    _said(r"人电话|人手机|员电话|长电话", "L3", "phone", "a phone number"),
    _said(r"(?:户籍|家庭|现住|居住|通讯|常住|本人|联系)(?:地)?(?:地|住)址(?!编码)|现居住?地|住址|home_?addr", "L3",
          "address", "where a person lives"),
    _said(r"(?:住|地)址编码|户号|户编号|室号|门牌号|房号", "L3", "drop", "where a person lives"),
    _said(r"出生|生日|birth", "L3", "year", "a person's day of birth"),
    _said(r"死亡(?:日期|时间)|迁出(?:日期|时间)|death", "L3", "year", "a day of a person's life"),
    _said(r"民族|婚姻|学历|文化程度|政治面貌|职业|与户主|户主关系|籍贯|国籍|nation|marital|politic|occupation",
          "L3", "drop", "a trait of a person"),
    _said(r"工资|个人收入|家庭收入|年收入|月收入|账户余额|余额$|存款|salary|wage", "L3", "drop", "a person's money"),
    _said(r"邮箱|微信|[Qq][Qq]|email", "L3", "drop", "how a person is reached"),
    _said(r"车牌", "L3", "id", "a vehicle's plate"),
    _said(r"姓名|法定代表人|法人代表|负责人|联系人|户主$|经办人|代理人|监护人|户主姓名|contact_?name|person_?name",
          "L3", "name", "a person's name"),
)  # fmt: skip
"""From the most telling to the least; the first that a title matches counts."""

PERSONAL_TABLE = re.compile(
    r"姓名|性别|出生|年龄|民族|户主|产权人|persons?_?name|gender|^sex$|birth", re.IGNORECASE
)
"""Titles of a table whose rows are about persons."""


def without_unit(title: str) -> tuple[str, str]:
    """A title and the unit in brackets at its end.

    >>> without_unit("金额（万元）"), without_unit("四至")
    (('金额', '万元'), ('四至', ''))
    """
    found = _UNIT.match(title)
    return (found[1], found[2].strip()) if found and found[1] else (title, "")


def key_likeness(title: str) -> int:
    """How much a title sounds like a part of a key: 0 not at all, 5 like the key itself."""
    return next((weight for pattern, weight in KEY if pattern.search(title)), 0)
