"""Servers that tests of several modules pull from, started once."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from sftp_kit import PASSWORD as SFTP_PASSWORD
from sftp_kit import USER, Drop

from dagster_project.ingest.channels import remote_files
from tests.database_kit import PASSWORD, MariaDb, Postgres, running_mariadb, running_postgres


@pytest.fixture(scope="session")
def reader() -> Iterator[None]:
    """The reader's credentials, by reference."""
    os.environ["DEPARTMENT_READER_USER"] = "reader"
    os.environ["DEPARTMENT_READER_PASSWORD"] = PASSWORD
    yield
    del os.environ["DEPARTMENT_READER_USER"], os.environ["DEPARTMENT_READER_PASSWORD"]


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """A PostgreSQL."""
    with running_postgres() as found:
        yield found


@pytest.fixture(scope="session")
def mariadb() -> Iterator[MariaDb]:
    """A MariaDB."""
    with running_mariadb() as found:
        yield found


@pytest.fixture(params=["postgres", "mariadb"])
def database(request: pytest.FixtureRequest) -> Postgres | MariaDb:
    """Each of the servers."""
    found: Postgres | MariaDb = request.getfixturevalue(request.param)
    return found


@pytest.fixture(scope="session")
def sftp_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Drop]:
    """An SFTP server."""
    drop = Drop(tmp_path_factory.mktemp("drop"))
    yield drop
    drop.close()


@pytest.fixture
def drop(sftp_server: Drop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Drop:
    """The server with an empty root, and credentials in the environment."""
    sftp_server.root = tmp_path / "root"
    sftp_server.root.mkdir()
    sftp_server.reset()
    monkeypatch.setenv("DROP_USER", USER)
    monkeypatch.setenv("DROP_PASSWORD", SFTP_PASSWORD)
    monkeypatch.setattr(remote_files, "SECOND_LOOK_AFTER_S", 0.01)
    return sftp_server
