"""What is known of a site without its ledgers: the replica that is shown, and the disk."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from datetime import datetime

from prometheus_client.core import GaugeMetricFamily, Metric

from dagster_project.lake.publish import current
from dagster_project.paths import Home


def machine(home: Home, now: datetime) -> Iterator[Metric]:
    """Figures of the replica and of the disk that the home lies on; no path is told."""
    replica = current(home)
    if replica is not None:
        number = GaugeMetricFamily(
            "countylake_replica_snapshot", "The snapshot that the read replica shows."
        )
        number.add_metric([], replica.snapshot)
        yield number
        age = GaugeMetricFamily(
            "countylake_replica_age", "Time since the replica was published.", unit="seconds"
        )
        age.add_metric([], max((now - replica.instant).total_seconds(), 0.0))
        yield age
    try:
        disk = shutil.disk_usage(home.root)
    except OSError:
        return
    for name, what, value in (
        ("disk_size", "Size of the disk that holds the home.", disk.total),
        ("disk_free", "What is free on it.", disk.free),
    ):
        made = GaugeMetricFamily(f"countylake_{name}", what, unit="bytes")
        made.add_metric([], value)
        yield made
