"""What promtool asks of an exposition, and what CountyLake asks of its labels besides."""

from __future__ import annotations

import re
from collections.abc import Iterable

from prometheus_client.core import Metric
from prometheus_client.openmetrics.parser import text_string_to_metric_families

UNITS = {"seconds", "bytes", "ratio"}
LABELS = {
    "countylake_lake_state", "version", "feed", "department", "kind", "task", "status", "outcome",
    "fate", "state", "dimension", "report", "answer",
}  # fmt: skip
NAME = re.compile(r"countylake_[a-z]+(_[a-z]+)*")


def parsed(text: str) -> dict[str, Metric]:
    """The families of an OpenMetrics text by their names, after every check."""
    assert text.endswith("\n# EOF\n")
    assert text.count("# EOF") == 1
    families = list(text_string_to_metric_families(text))
    for family in families:
        _check(family)
    named = {family.name: family for family in families}
    assert len(named) == len(families)
    for line in text.splitlines():
        if not line.startswith("#"):
            family = line.split("{", 1)[0].split(" ", 1)[0]
            stem = re.sub("_(total|info)$", "", family)
            assert f"# HELP {stem} " in text
            assert f"# TYPE {stem} " in text
    return named


def _check(family: Metric) -> None:
    assert NAME.fullmatch(family.name), family.name
    assert family.documentation.endswith("."), family.name
    assert family.type in {"gauge", "counter", "info", "stateset"}, family.name
    assert not family.name.endswith("_total")
    last = family.name.rpartition("_")[2]
    assert family.unit == (last if last in UNITS else ""), family.name
    for sample in family.samples:
        assert sample.name.endswith("_total") == (family.type == "counter")
        assert set(sample.labels) <= LABELS, sample.labels
        assert all(re.fullmatch(r"[A-Za-z0-9_.-]+", one) for one in sample.labels.values()), sample
        assert sample.timestamp is None
    series = [tuple(sorted(sample.labels.items())) for sample in family.samples]
    assert len(set(series)) == len(series), family.name
    if family.name.endswith("_ratio"):
        assert all(0 <= sample.value <= 1 for sample in family.samples)


def values(family: Metric, *labels: str) -> dict[tuple[str, ...], float]:
    """A family's values by some of its labels."""
    return {tuple(s.labels[name] for name in labels): s.value for s in family.samples}


def label_values(families: Iterable[Metric]) -> set[str]:
    """Every value of every label."""
    return {v for family in families for sample in family.samples for v in sample.labels.values()}
