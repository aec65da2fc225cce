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
POSITION = re.compile(r"^(?:序号|行号|顺序号?|次序|排序|编序|no\.?|row_?no|seq)$", re.IGNORECASE)
"""A record's place in its file, which the next file gives to another one."""
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
THING = re.compile(r"(?:名称|规格|型号|材质|品牌|道路|计量单位)$")
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


def _said(what: str, level: Level, mask: str, *patterns: str) -> Privacy:
    return Privacy(re.compile("|".join(patterns), re.IGNORECASE), level, mask, what)


PRIVATE: Final = (
    _said(
        *("an organisation or a kind", "L2", "none"),
        *("信用代码", "组织机构|机构代码", "(?:单位|企业|机构|公司)(?:名称|电话)", "科目"),
        "(?:类型|类别|种类|性质)$",
    ),
    _said(
        *("the number of a person's document", "L4", "id"),
        *(
            "身份证|身份号码|证件号",
            "护照号|通行证号",
            "[社医]保卡号|学籍号",
            "id_?card|id_no|passport",
        ),
    ),
    _said(
        *("an account or a card", "L4", "account"),
        *("[账帐](?:户)?号|卡号", "bank_?(?:card|account)|account_?no"),
    ),
    _said(
        *("health, belief or a protected person", "L4", "drop"),
        *("诊断|疾病|病(?:名|种|情|史|历)|残疾|精神|健康状况|血型|过敏|艾滋", "指纹|人脸|基因"),
        *(
            "吸毒|矫正|刑满",
            "宗教|信仰",
            "(?:举报|诉求|投诉)人(?:姓名)?$",
            "diagnos|disease|disab|health",
        ),
    ),
    _said("a secret", "L4", "drop", "密码|口令", "password|secret"),
    _said(
        *("a phone number", "L3", "phone"),
        *("电话|手机|联系方式", "phone|mobile|tel$"),
    ),
    _said(
        *("where a person lives", "L3", "address"),
        "(?:户籍|家庭|现住|居住|通讯|常住|本人|联系)地?[地住]址(?!编码)",
        *("现居住?地|住址(?!编码)", "home_?addr"),
    ),
    _said(
        *("where a person lives", "L3", "drop"),
        *("[地住]址编码|门牌号|室号|房号", "户号|户编号"),
    ),
    _said("a person's day of birth", "L3", "year", "出生|生日", "birth"),
    _said("a day of a person's life", "L3", "year", "(?:死亡|迁出)(?:日期|时间)", "death"),
    _said(
        *("a trait of a person", "L3", "drop"),
        *("民族|国籍|籍贯", "婚姻|学历|文化程度", "政治面貌|职业", "与户主|户主关系", "人性别"),
        *("人员状态", "nation(?:ality)?$|marital|politic|occupation"),
    ),
    _said(
        *("a person's money", "L3", "drop"),
        *("工资|(?:个人|家庭|年|月)收入", "余额$|存款", "salary|wage"),
    ),
    _said("how a person is reached", "L3", "drop", "邮箱|微信|QQ", "e_?mail"),
    _said("a vehicle's plate", "L3", "id", "车牌"),
    _said(
        *("a person's name", "L3", "name"),
        *(
            "姓名|户主$|法人代表",
            "人$",
            "(?:甲|乙|对)方(?:名称)?$|户名$",
            "(?:contact|person|full)_?name",
        ),
    ),
    _said("free words of or about persons", "L3", "drop", "(?:诉求|投诉|举报|信访|案情|事件)内容$"),
)
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


def is_moment(title: str) -> bool:
    """Whether a title is that of a time or day: rows may differ in it, it is nobody's number."""
    plain = title.strip()
    return bool(TIME.search(plain) or DAY.search(plain))


def key_likeness(title: str) -> int:
    """How much a title sounds like a part of a key: 0 not at all, 5 like the key itself."""
    return next((weight for pattern, weight in KEY if pattern.search(title)), 0)
