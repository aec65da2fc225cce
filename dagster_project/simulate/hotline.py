"""12345 work orders of the year that ends on the simulated day, in order of acceptance."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import polars as pl

from dagster_project.simulate.component import departments
from dagster_project.simulate.county import County
from dagster_project.simulate.house import short_name
from dagster_project.simulate.names import one_name
from dagster_project.simulate.population import contacts
from dagster_project.simulate.rng import Ints, span
from dagster_project.simulate.text import (
    compact_dates,
    decimals,
    flags,
    only,
    padded,
    pick,
    same,
    second_number,
    times,
)

CHUNK = 10_000
_DAY = 86_400
_TOPICS = (
    ("0101", "停水多日", "家中自来水停水，希望尽快恢复供水。"),
    ("0104", "供暖温度不达标", "室内温度长期低于18℃，请协调供热公司处理。"),
    ("0201", "道路坑洼", "门前道路破损严重，雨天积水，请安排维修。"),
    ("0203", "车辆乱停", "小区出入口车辆乱停放，影响通行。"),
    ("0301", "垃圾清运不及时", "垃圾点清运不及时，异味较大。"),
    ("0303", "夜间施工噪声", "工地夜间施工，噪声影响休息。"),
    ("0304", "路灯不亮", "道路两侧路灯多盏不亮，存在安全隐患。"),
    ("0401", "物业服务不到位", "电梯经常故障，物业维修不及时。"),
    ("0403", "咨询不动产登记", "咨询办理不动产权证需要哪些材料。"),
    ("0501", "拖欠工资", "工程完工后工资未结清，请帮助协调。"),
    ("0502", "咨询养老保险", "咨询灵活就业人员养老保险缴费标准。"),
    ("0601", "土地承包纠纷", "承包地边界存在争议，请求调解。"),
    ("0602", "申请临时救助", "家庭困难，咨询临时救助申请条件。"),
    ("0701", "消费纠纷", "购买商品存在质量问题，商家拒绝退换。"),
    ("0702", "油烟扰民", "楼下饭店油烟直排，影响居民生活。"),
    ("0801", "感谢窗口工作人员", "政务大厅工作人员服务热情，特此表扬。"),
)
_PRAISE = len(_TOPICS) - 1


def hotline_rows(county: County) -> Iterator[pl.DataFrame]:
    """The year's work orders in chunks, all text."""
    total = county.sized(county.profile.orders, county.least("hotline_order"))
    for start in range(0, total, CHUNK):
        yield _rows(county, span(start, min(start + CHUNK, total)), total)


def order_numbers(index: Ints, accepted: Ints) -> pl.Series:
    """Order numbers: the day of acceptance and a running number."""
    day = pl.Series(compact_dates(accepted // _DAY)).cast(pl.String)
    return "R" + day + padded(index, 8)


def _accepted(county: County, index: Ints, total: int) -> Ints:
    """When each order was accepted: evenly over the year, in order."""
    end = second_number(county.day_end)
    step = 365 * _DAY / total
    shift = county.random.of("accepted").unit(index)
    return np.asarray(end - 365 * _DAY + ((index + shift) * step).astype(np.int64) - 1, np.int64)


class _Life:
    """The times of each order; a stage is reached or not, and never before the one before it."""

    def __init__(self, county: County, index: Ints, total: int) -> None:
        draw = county.random.of("order")
        self.end = second_number(county.day_end)
        self.accept = _accepted(county, index, total)
        self.is_sent = draw.of("mode").chance(index, 0.72)
        fast = draw.of("dispatch").below(index, 7_200) + 60
        self.dispatch = self.accept + np.where(self.is_sent, fast, 0)
        self.sign = self.dispatch + 300 + draw.of("sign").below(index, 20_000)
        self.contact = self.sign + 600 + draw.of("contact").below(index, 70_000)
        wait = 3_600 + draw.of("finish").below(index, 9 * _DAY)
        done = np.where(self.is_sent, self.contact + wait, self.accept + 120)
        self.finish = done + draw.of("finish2").below(index, 900)
        self.visit = self.finish + 3_600 + draw.of("visit").below(index, 3 * _DAY)
        self.archive = self.visit + 600 + draw.of("archive").below(index, _DAY)
        self.is_void = draw.of("void").chance(index, 0.006)
        alive = ~self.is_void
        self.was_sent = alive & self.is_sent & (self.dispatch <= self.end)
        self.was_signed = self.was_sent & (self.sign <= self.end)
        called = draw.of("called").chance(index, 0.96)
        self.was_contacted = self.was_signed & (self.contact <= self.end) & called
        self.was_finished = alive & (self.finish <= self.end)
        asked = draw.of("asked").chance(index, 0.9)
        self.was_visited = self.was_finished & (self.visit <= self.end) & asked
        kept = self.was_visited | (self.was_finished & ~asked)
        self.was_archived = kept & (self.archive <= self.end)
        self.due = self.accept + np.where(self.is_sent, 5, 1) * _DAY
        self.is_extended = self.was_sent & draw.of("extended").chance(index, 0.04)

    @property
    def status(self) -> Ints:
        """Positions in ``_STATUS``."""
        reached = [
            self.is_void,
            self.was_archived,
            self.was_visited,
            self.was_finished,
            self.was_signed,
            self.was_sent,
        ]
        return np.select(reached, [6, 5, 4, 3, 2, 1], 0).astype(np.int64)

    @property
    def updated(self) -> Ints:
        """The last time anything happened."""
        stages = [self.was_archived, self.was_visited, self.was_finished, self.was_signed]
        stamps = [self.archive, self.visit, self.finish, self.sign]
        last = np.select(stages, stamps, np.where(self.was_sent, self.dispatch, self.accept))
        contacted = np.where(self.was_contacted, self.contact, 0)
        return np.maximum(last, contacted)


_STATUS = ("10", "25", "30", "50", "60", "80", "90")


def _rows(county: County, index: Ints, total: int) -> pl.DataFrame:
    life = _Life(county, index, total)
    return pl.DataFrame(
        {
            **_demand(county, index, life),
            **_caller(county, index),
            **_handling(county, index, life, total),
            **_visit(county, index, life),
        }
    )


def _demand(county: County, index: Ints, life: _Life) -> dict[str, pl.Series]:
    draw = county.random.of("order")
    topic = draw.of("topic").below(index, len(_TOPICS))
    kind = np.where(topic == _PRAISE, 5, draw.of("demand").weighted(index, (35, 30, 25, 4, 6)))
    place = _places(county, index)
    near = place["place"]
    return {
        "order_no": order_numbers(index, life.accept),
        "channel": pick(
            ["01", "02", "03", "04", "05", "06", "08", "09"],
            draw.of("channel").weighted(index, (70, 9, 5, 4, 4, 3, 2, 3)),
        ),
        "accept_time": times(life.accept),
        "demand_type": pick(["1", "2", "3", "4", "5", "6"], kind),
        "category_code": pick([t[0] for t in _TOPICS], topic),
        "title": place["town_name"] + near + pick([t[1] for t in _TOPICS], topic),
        "content": "市民反映：" + near + pick([t[2] for t in _TOPICS], topic),
        "addr": place["addr"],
        "village_code": place["village_code"],
        "grid_code": place["grid_code"],
        "lon": place["lon"],
        "lat": place["lat"],
        "urgency": pick(["1", "2", "3"], draw.of("urgency").weighted(index, (92, 7, 1))),
    }


def _caller(county: County, index: Ints) -> dict[str, pl.Series]:
    draw = county.random.of("order")
    hidden = draw.of("hidden").chance(index, 0.04)
    name, phone, is_man = contacts(
        county, draw.of("caller").below(index, max(county.households, 1))
    )
    return {
        "caller_name": only(~hidden, name),
        "caller_phone": only(~hidden, phone),
        "caller_sex": only(~hidden, pick(["2", "1"], is_man.astype(np.int64))),
        "is_confidential": flags(hidden),
    }


def _handling(county: County, index: Ints, life: _Life, total: int) -> dict[str, pl.Series]:
    draw = county.random.of("order")
    offices = departments(county)
    repeat = draw.of("repeat").chance(index, 0.02) & (index > 50)
    first = np.maximum(index - 1 - draw.of("first").below(index, 40), 0)
    helped = life.is_sent & draw.of("co").chance(index, 0.05)
    return {
        "handle_mode": pick(["1", "2"], life.is_sent.astype(np.int64)),
        "dept_code": only(life.is_sent, pick(offices, draw.of("dept").below(index, 6))),
        "co_dept": only(helped, pick(offices[:1], index * 0)),
        "dispatch_time": only(life.was_sent, times(life.dispatch)),
        "sign_time": only(life.was_signed, times(life.sign)),
        "contact_time": only(life.was_contacted, times(life.contact)),
        "finish_time": only(life.was_finished, times(life.finish)),
        "due_time": times(life.due),
        "is_ext": flags(life.is_extended),
        "ext_due": only(life.is_extended, times(life.due + 3 * _DAY)),
        "status": pick(_STATUS, life.status),
        "return_cnt": pick(["0", "1", "2"], draw.of("return").weighted(index, (95, 4, 1))),
        "redo_cnt": pick(["0", "1", "2"], draw.of("redo").weighted(index, (96, 3, 1))),
        "is_responded": only(life.was_finished, flags(life.was_contacted | ~life.is_sent)),
        "dup_of": only(repeat, order_numbers(first, _accepted(county, first, total))),
        "update_time": times(life.updated),
    }


def _visit(county: County, index: Ints, life: _Life) -> dict[str, pl.Series]:
    draw = county.random.of("order")
    visited = life.was_visited
    answered = visited & draw.of("answered").chance(index, 0.85)
    excluded = visited & draw.of("excluded").chance(index, 0.015)
    solved = draw.of("solved").weighted(index, (86, 6, 8))
    grade = np.where(answered, 1 + draw.of("happy").weighted(index, (2, 5, 14, 43, 36)), 0)
    result = np.where(answered, 0, 1 + draw.of("why").below(index, 2))
    approver = one_name(draw.of("boss"), 1)
    return {
        "visit_time": only(visited, times(life.visit)),
        "archive_time": only(life.was_archived, times(life.archive)),
        "is_solved": only(answered, pick(["1", "2", "0"], solved)),
        "satisfaction": only(visited, pick(["0", "1", "2", "3", "4", "5"], grade)),
        "visit_result": only(visited, pick(["1", "2", "3"], result)),
        "visit_valid": only(visited, flags(answered)),
        "excluded": flags(excluded),
        "excl_reason": only(excluded, pick(["无理诉求", "不可抗力", "涉法涉诉"], index % 3)),
        "excl_by": only(excluded, same(approver, len(index))),
    }


def _places(county: County, index: Ints) -> pl.DataFrame:
    draw = county.random.of("order-place")
    known = draw.of("known").chance(index, 0.93)
    village = draw.of("village").weighted(index, county.weights.tolist())
    grid = 1 + draw.of("grid").below(index, county.active_grids[village])
    codes = pl.Series([v.code for v in county.villages]).gather(village)
    near = pl.Series([short_name(v.name) for v in county.villages]).gather(village)
    town = pl.Series([v.town_name for v in county.villages]).gather(village)
    points = [county.centres[v.town_code] for v in county.villages]
    east = np.array([p[0] for p in points])[village] + draw.of("lon").below(index, 20_000) - 10_000
    north = np.array([p[1] for p in points])[village] + draw.of("lat").below(index, 20_000) - 10_000
    located = np.asarray(known & draw.of("located").chance(index, 0.8))
    return pl.DataFrame(
        {
            "town_name": town,
            "place": near,
            "addr": county.name + town + near,
            "village_code": only(known, codes),
            "grid_code": only(known, codes + padded(grid, 3)),
            "lon": only(located, decimals(east, 6)),
            "lat": only(located, decimals(north, 6)),
        }
    )
