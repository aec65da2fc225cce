"""Tables whose cells are dirty: one fault of a value per file, read by a contract.

Citizen numbers are of nobody: division 140321, invented days and sequences, right check digits.
"""

from __future__ import annotations

from tests.faulty.kit import file, lines, resident_id

AREA = "140321"
MAN = resident_id(AREA, "19900307", 123)  # 140321199003071235
WOMAN = resident_id(AREA, "19851115", 452)
WITH_X = resident_id(AREA, "19880808", 2)  # ends in X

_PERSON = ("人员编号", "姓名", "公民身份号码", "性别", "出生日期", "联系电话", "民族")


def _wide(text: str) -> str:
    """ASCII in full width."""
    return "".join(chr(ord(c) + 0xFEE0) if "!" <= c <= "~" else c for c in text)


def _people(*rows: tuple[str, ...]) -> bytes:
    return lines((_PERSON, *rows)).encode("utf-8")


def _column(title: str, cells: list[str]) -> bytes:
    """Cells of one column, each beside a number of its own."""
    rows = [(f"V{n:02d}", cell) for n, cell in enumerate(cells, 1)]
    return lines((("编号", title), *rows)).encode("utf-8")


def _money(cells: list[str]) -> bytes:
    return _column("金额", [f'"{c}"' if "," in c else c for c in cells])


@file("D04_全角字符.csv")
def _full_width() -> bytes:
    return _people(
        (
            "R001",
            "安样甲",
            _wide(MAN),
            "１",
            "１９９０－０３－０７",
            "１３８００１３８０００",
            "０１",
        ),
        ("Ｒ００２", "白①㈠乙", WOMAN, "2", "1985-11-15", "（０３５３）６０６００００", "01"),
    )


@file("D05_空白与前缀.csv")
def _blanks() -> bytes:
    return _people(
        ("R001\u3000", "\u3000安样甲", f"{MAN}\t", "1", "1990-03-07", "\xa013800138000", "01"),
        ("'R002", "白样乙\u200b", f"'{WOMAN}", "2", " 1985-11-15 ", "13900139000", "'01"),
        ("R003", "程样丙", f'="{WITH_X}"', "2", "1988-08-08", "", ""),
    )


@file("D06_证件号小写x.csv")
def _lower_x() -> bytes:
    return _people(("R001", "程样丙", WITH_X.lower(), "2", "1988-08-08", "", "01"))


@file("D07_证件号科学计数.csv")
def _scientific() -> bytes:
    return _people(
        ("R001", "安样甲", "1.40321E+17", "1", "1990-03-07", "", "01"),
        ("R002", "白样乙", WOMAN, "2", "1985-11-15", "", "01"),
    )


@file("D08_证件号截尾.csv")
def _truncated() -> bytes:
    """Fifteen digits survive a spreadsheet, the last three become 000 (or binary noise)."""
    return _people(
        ("R001", "安样甲", "140321199003071000", "1", "1990-03-07", "", "01"),
        ("R002", "安样甲", "140321199003071008", "1", "1990-03-07", "", "01"),
        ("R003", "安样甲", "140321199003071232", "1", "1990-03-07", "", "01"),
        ("R004", "安样甲", MAN, "1", "1990-03-07", "", "01"),
    )


@file("D09_前导零丢失.csv")
def _lost_zeros() -> bytes:
    return _people(
        ("R001", "安样甲", MAN, "1", "1990-03-07", "", "1"),
        ("R002", "白样乙", WOMAN, "2", "1985-11-15", "", "56"),
    )


@file("D10_十五位证件号.csv")
def _fifteen() -> bytes:
    """140321 620630 888 becomes 140321 19620630 888 4; month 13 is no day and stays as it is."""
    return _people(
        ("R001", "冯样戊", "140321620630888", "2", "1962-06-30", "", "01"),
        ("R002", "高样己", "140321621330888", "2", "1962-06-30", "", "01"),
    )


@file("D11_脱敏值.csv")
def _masked() -> bytes:
    return _people(
        ("R001", "安样甲", "1403**********1235", "1", "1990-03-07", "13800138000", "01"),
        ("R002", "白**", WOMAN, "2", "1985-11-15", "139****9000", "01"),
        ("R003", "程样丙", "140321XXXXXXXX002X", "2", "1988-08-08", "", "01"),
    )


@file("D12_日期各式.csv")
def _dates() -> bytes:
    return _column(
        "日期",
        [
            *("2023年5月31日", "2023.5.31", "2023/5/31", "20230531", "23-5-31"),
            *("2023-5-31 上午9:05", "二〇二三年五月三十一日", "45077", "2023-05-31 00:00:00"),
            *("民国112年5月31日", "2023-05-31T09:05:00", "9999-12-31", "长期", "1900-01-00"),
            *("2023-05", "二〇二三年五月", "2023年5月", "２０２３年５月３１日", "44559", "45351"),
        ],
    )


@file("D13_不存在的日期.csv")
def _no_such_day() -> bytes:
    return _column(
        "日期",
        [
            "2023-02-29",
            "2023年4月31日",
            "20230230",
            "农历二〇二三年四月十三",
            "2024-02-29",
            "2023-13-01",
        ],
    )


@file("D14_空值写法.csv")
def _nulls() -> bytes:
    return _column(
        "金额",
        [
            *("无", "——", "—", "-", "/", "\\", "\\N", "NULL", "null", "None", "N/A", "nan"),
            *("暂无", "不详", "未知", "空", "#N/A", "#REF!", "########", "", "0"),
        ],
    )


@file("D15_金额各式.csv")
def _amounts() -> bytes:
    return _money(
        [
            *("1,234.56", "１，２３４", "￥1234.5", "¥1,234.50", "12.5万", "1.71亿元", "(500.00)"),
            *(
                "500-",
                "伍佰元整",
                "壹万贰仟叁佰肆拾伍元陆角柒分",
                "1234.567",
                "约500",
                "5百",
                "12.5万元",
            ),
            *("-500", "+500", "0.1", "1.234,56"),
        ]
    )


@file("D15_表头带单位.csv")
def _amounts_in_header() -> bytes:
    """The header says 万元; a cell that says so too is a conflict, not a number."""
    rows = (("V01", "12.5"), ("V02", "0.00005"), ("V03", "12.5万"), ("V04", '"1,200"'))
    return lines((("编号", "金额（万元）"), *rows)).encode("utf-8")


@file("D16_百分比.csv")
def _shares() -> bytes:
    return _column("占比", ["95.66%", "95.66", "0.9566", "100%", "0", "１２．５％", "120%"])


@file("D22_姓名异写.csv")
def _names() -> bytes:
    return _people(
        ("R001", "阿样·甲提", MAN, "1", "1990-03-07", "", "03"),
        ("R002", "阿样•乙提", WOMAN, "2", "1985-11-15", "", "03"),
        ("R003", "阿样．丙提", WITH_X, "2", "1988-08-08", "", "03"),
        ("R004", "段䶮𠮷", "", "1", "1990-03-07", "", "01"),
        ("R005", "冯（氵甸）", "", "1", "1990-03-07", "", "01"),
        ("R006", "高样1", "", "1", "1990-03-07", "", "01"),
    )


@file("D23_电话各式.csv")
def _phones() -> bytes:
    return _column(
        "联系电话",
        [
            *("13800138000", "138-0013-8000", "0353 6060000", "0353-6060000", "+86 13800138000"),
            *("13800138000/13900139000", "13800138000、0353-6060000", "(0353)6060000"),
            *("1380013800", "6060000", "0", "无"),
        ],
    )


@file("D24_重复记录.csv")
def _duplicates() -> bytes:
    """The same row twice, and the same key with other values: the last one is the newest."""
    man = ("R001", "安样甲", MAN, "1", "1990-03-07", "13800138000", "01")
    return _people(
        man,
        man,
        ("R002", "白样乙", WOMAN, "2", "1985-11-15", "13900139000", "01"),
        ("R002", "白样乙", WOMAN, "2", "1985-11-15", "13900139001", "01"),
    )


@file("D26_代码混写.csv")
def _codes() -> bytes:
    rows = (
        ("R001", "安样甲", MAN, "男", "1990-03-07", "", "汉族"),
        ("R002", "白样乙", WOMAN, "F", "1985-11-15", "", "汉"),
        ("R003", "程样丙", WITH_X, "女性", "1988-08-08", "", "01"),
        ("R004", "段样丁", "", "1", "1990-03-07", "", "99"),
        ("R005", "冯样戊", "", "雄", "1990-03-07", "", "1"),
    )
    return _people(*rows)


@file("D27_未来与倒置日期.csv")
def _impossible_times() -> bytes:
    """Born after the delivery; born before 1850; the number says another birthday."""
    return _people(
        ("R001", "安样甲", "", "1", "2999-01-01", "", "01"),
        ("R002", "白样乙", "", "2", "1849-12-31", "", "01"),
        ("R003", "程样丙", WITH_X, "2", "1988-08-09", "", "01"),
        ("R004", "段样丁", MAN, "2", "1990-03-07", "", "01"),
        ("R005", "冯样戊", WOMAN, "2", "1985-11-15", "", "01"),
    )


@file("D31_坐标.csv")
def _coordinates() -> bytes:
    """Right; swapped; nowhere; metres of a projection; another county; with its sign of degrees."""
    places = (
        ("113.630107", "37.804988"),
        ("37.804988", "113.630107"),
        ("0", "0"),
        ("37555432.1", "4186543.2"),
        ("112.549248", "37.857014"),
        ("113.630107°", "37.804988°"),
    )
    rows = [(f"V{n:02d}", *place) for n, place in enumerate(places, 1)]
    return lines((("编号", "经度", "纬度"), *rows)).encode("utf-8")
