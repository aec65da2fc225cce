"""Dagster's SQLite storage with engines that are kept, not rebuilt for every event.

The stock storage makes a SQLAlchemy engine per stored event. With some hundred assets and checks
in a run, that is most of the run's time. What is stored, and where, is unchanged: a stock
instance can open the same folder.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import sqlalchemy as db
from dagster._config import StringSource
from dagster._core.storage.event_log.sqlite.sqlite_event_log import SqliteEventLogStorage
from dagster._core.storage.runs.sqlite.sqlite_run_storage import SqliteRunStorage
from dagster._core.storage.schedules.sqlite.sqlite_schedule_storage import (
    SqliteScheduleStorage,
)
from dagster._core.storage.sqlite import SQLITE_BUSY_TIMEOUT_SECONDS
from dagster._core.storage.sqlite_storage import DagsterSqliteStorage
from dagster._serdes import ConfigurableClassData
from sqlalchemy.engine import Connection, Engine
from sqlalchemy.pool import QueuePool

KEPT_ENGINES = 8
"""Engines kept at once; the web server opens one database per run it shows."""


def _engine(url: str) -> Engine:
    """One engine over one SQLite file: WAL needs no flush to disk for each commit."""
    engine = db.create_engine(
        url,
        poolclass=QueuePool,
        pool_size=1,
        connect_args={"timeout": SQLITE_BUSY_TIMEOUT_SECONDS, "check_same_thread": False},
    )

    @db.event.listens_for(engine, "connect")
    def _relax(connection: Any, _record: object) -> None:
        connection.execute("PRAGMA synchronous=NORMAL")

    return engine


class KeptEventLogStorage(SqliteEventLogStorage):
    """The stock event log; its engines are kept per run."""

    def __init__(self, base_dir: str, inst_data: ConfigurableClassData | None = None) -> None:
        self._engines: OrderedDict[str, Engine] = OrderedDict()
        self._tables: set[str] = set()
        super().__init__(base_dir, inst_data)

    @contextmanager
    def _connect(self, shard: str) -> Iterator[Connection]:
        with self._db_lock:
            engine = self._engines.pop(shard, None) or _engine(self.conn_string_for_shard(shard))
            self._engines[shard] = engine
            if len(self._engines) > KEPT_ENGINES:
                self._engines.popitem(last=False)[1].dispose()
            if shard not in self._initialized_dbs:
                self._initdb(engine)
                self._initialized_dbs.add(shard)
            with engine.begin() as connection:
                yield connection

    def has_table(self, table_name: str) -> bool:
        """Asked for every check's event; a table that is there stays there."""
        if table_name not in self._tables:
            if not super().has_table(table_name):
                return False
            self._tables.add(table_name)
        return True

    def wipe(self) -> None:
        """Let go of the files before they are removed."""
        self.dispose_engines()
        super().wipe()

    def dispose(self) -> None:
        """Close every kept connection."""
        self.dispose_engines()
        super().dispose()

    def dispose_engines(self) -> None:
        """Close the kept connections; the next use opens them again."""
        while self._engines:
            self._engines.popitem()[1].dispose()


class KeptRunStorage(SqliteRunStorage):
    """The stock run storage with one kept engine."""

    _kept: Engine | None = None
    _kept_lock = threading.Lock()

    @contextmanager
    def connect(self) -> Iterator[Connection]:
        """A transaction on the kept engine."""
        with self._kept_lock:
            if self._kept is None:
                self._kept = _engine(self._conn_string)
        with self._kept.begin() as connection:
            yield connection

    def dispose(self) -> None:
        """Close the kept connection."""
        if self._kept is not None:
            self._kept.dispose()
            self._kept = None


class KeptSqliteStorage(DagsterSqliteStorage):
    """What ``dagster.yaml`` of a site names as its storage."""

    def __init__(self, base_dir: str, inst_data: ConfigurableClassData | None = None) -> None:
        self.base_dir = base_dir
        self._inst_data = inst_data
        self._run_storage = KeptRunStorage.from_local(f"{base_dir}/history/")
        self._event_log_storage = KeptEventLogStorage(f"{base_dir}/history/runs/")
        self._schedule_storage = SqliteScheduleStorage.from_local(f"{base_dir}/schedules")
        # The parent would make its own, stock storages.
        super(DagsterSqliteStorage, self).__init__()  # type: ignore[no-untyped-call]

    @classmethod
    def config_type(cls) -> dict[str, Any]:
        """One folder, as the stock storage asks for."""
        return {"base_dir": StringSource}

    @classmethod
    def from_config_value(
        cls, inst_data: ConfigurableClassData | None, config_value: Any
    ) -> KeptSqliteStorage:
        """Made by Dagster from ``dagster.yaml``."""
        return cls.from_local(inst_data=inst_data, **config_value)
