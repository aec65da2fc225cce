"""Names of persons, all invented.

Given names are drawn from characters that no place, class or office of the samples uses, so that
a name found anywhere by a text search was really copied there.
"""

from __future__ import annotations

import numpy as np
import polars as pl

from dagster_project.simulate.rng import Ints, Stream

SURNAMES = (
    "王李张刘陈杨赵黄周吴徐孙胡朱高林何郭马罗梁宋郑谢韩唐冯于董萧程曹袁邓许傅沈曾彭吕苏卢蒋蔡"
    "贾丁魏薛叶阎余潘杜戴夏钟汪田任姜范方石姚谭廖邹熊金陆郝孔白崔康毛邱秦江史顾侯邵孟龙万段雷"
)
COMPOUND = ("欧阳", "上官", "令狐", "司徒", "尉迟", "皇甫")
FIRST = "砚霁珩翊昀翃骁琬璟弈霂宸屿澍桉柠瑾瑜芮忻祎煦煜烨焱晗晞曦旻昱珂珺琰琮瑄璇瓒颢懿彧昶暄"
SECOND = "翀骞旖泠沄洵浠涵淳湜滢漪潆灏炘熠璞珈琇琳瑗璐甯眙睿祺禛竑筠箬绮缇羿翎茉荔莞菡葳蕤薇"
MINORITY_HEAD = ("阿依", "古丽", "迪娜", "热依", "库尔", "帕丽", "艾孜", "玛依")
MINORITY_TAIL = ("努尔孜", "买合木", "吾买尔", "热合曼", "卡德尔", "依明江", "托合提", "赛麦提")
# Real given names hold them; each takes four bytes in GB18030 and none in GBK.
RARE = "𠀀龦𠮷"
RARE_EVERY = 311
MINORITY_EVERY = 523
COMPOUND_EVERY = 67


def names(stream: Stream, index: Ints) -> pl.Series:
    """Full names for the indices; the same index always has the same name."""
    surname = _pick(list(SURNAMES), stream.of("surname").below(index, len(SURNAMES)))
    compound = _pick(list(COMPOUND), index % len(COMPOUND))
    first = _pick(list(FIRST), stream.of("first").below(index, len(FIRST)))
    second = _pick(list(SECOND), stream.of("second").below(index, len(SECOND)))
    rare = _pick(list(RARE), index % len(RARE))
    head = _pick(list(MINORITY_HEAD), stream.of("first").below(index, len(MINORITY_HEAD)))
    tail = _pick(list(MINORITY_TAIL), stream.of("second").below(index, len(MINORITY_TAIL)))
    lot = stream.of("kind").below(index, RARE_EVERY * MINORITY_EVERY * COMPOUND_EVERY)
    is_rare = pl.Series(lot % RARE_EVERY == 1)
    is_minority = pl.Series(lot % MINORITY_EVERY == 2)
    is_compound = pl.Series(lot % COMPOUND_EVERY == 3)
    frame = pl.DataFrame(
        {"s": surname, "c": compound, "f": first, "g": second, "r": rare, "h": head, "t": tail}
    )
    return frame.select(
        pl.when(is_minority)
        .then(pl.concat_str("h", "f", pl.lit("·"), "t"))
        .when(is_rare)
        .then(pl.concat_str("s", "f", "r"))
        .when(is_compound)
        .then(pl.concat_str("c", "f", "g"))
        .otherwise(pl.concat_str("s", "f", "g"))
        .alias("name")
    ).to_series()


def one_name(stream: Stream, index: int) -> str:
    """One full name."""
    return str(names(stream, np.array([index], dtype=np.int64))[0])


def _pick(choices: list[str], at: Ints) -> pl.Series:
    return pl.Series(choices).gather(at)
