"""The only module that knows where folders are.

It holds no settings and opens no file: given a root, it names what lies below it.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

PROJECT = Path(__file__).resolve().parent.parent
PACKAGE = Path(__file__).resolve().parent
SAMPLES = PROJECT / "data_samples"
DEFAULT_HOME = PROJECT / "var" / "county"
DEFAULT_CITY_HOME = PROJECT / "var" / "city"


def schemas_dir() -> Path:
    """The contracts' folder: ``COUNTYLAKE_SCHEMAS`` or the checkout's own."""
    return Path(os.environ.get("COUNTYLAKE_SCHEMAS") or PROJECT / "schemas").resolve()


def sql_dir() -> Path:
    """The SQL models' folder: ``COUNTYLAKE_SQL`` or the checkout's own."""
    return Path(os.environ.get("COUNTYLAKE_SQL") or PROJECT / "sql").resolve()


def keys_dir() -> Path:
    """Where private keys live: ``COUNTYLAKE_KEYS`` or the user's data folder."""
    given = os.environ.get("COUNTYLAKE_KEYS")
    data = os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share"
    return Path(given) if given else Path(data) / "countylake" / "keys"


@dataclass(frozen=True)
class Home:
    """A site's home folder; it may be moved as a whole."""

    root: Path

    @property
    def site_file(self) -> Path:
        """The site's own description (``site.yaml``)."""
        return self.root / "site.yaml"

    @property
    def public_file(self) -> Path:
        """What the site shows its parent: code, name and public key."""
        return self.root / "public.json"

    @property
    def parent_file(self) -> Path:
        """The parent site's card; its acknowledgements are verified with the key in it."""
        return self.root / "parent.json"

    @property
    def landing(self) -> Path:
        """Received bytes, one file per SHA-256."""
        return self.root / "landing"

    @property
    def catalog(self) -> Path:
        """DuckLake's SQLite catalog."""
        return self.root / "lake" / "catalog.sqlite"

    @property
    def data(self) -> Path:
        """DuckLake's Parquet files."""
        return self.root / "lake" / "data"

    @property
    def sums(self) -> Path:
        """SHA-256 of each of those files as it was written."""
        return self.root / "lake" / "data.sha256"

    @property
    def lock(self) -> Path:
        """The one writer lock."""
        return self.root / "lake" / "writer.lock"

    @property
    def scratch(self) -> Path:
        """Temporary files of running processes; anything in it may be deleted when none runs."""
        return self.root / "tmp"

    @property
    def spool(self) -> Path:
        """What channels are fetching, one folder per feed and channel; empty between runs."""
        return self.root / "spool"

    @property
    def tasks(self) -> Path:
        """The lock of each running task."""
        return self.root / "tasks"

    @property
    def published(self) -> Path:
        """Read replicas, one folder per snapshot, and ``current``."""
        return self.root / "published"

    @property
    def returns(self) -> Path:
        """Copies of deliveries with what must be corrected, one folder per feed; personal."""
        return self.root / "returns"

    @property
    def outbox(self) -> Path:
        """Sealed packages, one folder each."""
        return self.root / "outbox"

    @property
    def acknowledgements(self) -> Path:
        """The parent's signed answers as they came, one folder per package; never changed."""
        return self.root / "acknowledgements"

    @property
    def docs(self) -> Path:
        """Great Expectations' Data Docs."""
        return self.root / "docs"

    @property
    def lineage(self) -> Path:
        """OpenLineage events of the site's runs."""
        return self.root / "lineage"

    @property
    def logs(self) -> Path:
        """Structured logs."""
        return self.root / "logs"

    @property
    def dagster(self) -> Path:
        """Dagster's own storage, unless the site names another folder."""
        return self.root / "dagster"

    @property
    def children(self) -> Path:
        """A receiving site's register of the sites that report to it, with their public keys."""
        return self.root / "children"

    @property
    def exchange(self) -> Path:
        """A receiving site's folder of incoming packages, one folder per sender."""
        return self.root / "exchange"

    @property
    def received(self) -> Path:
        """A receiving site's own copies of accepted packages."""
        return self.root / "received"

    @property
    def rejected(self) -> Path:
        """Packages a receiving site refused, with the reasons."""
        return self.root / "rejected"

    @property
    def withheld(self) -> Path:
        """Of packages that a relaying site refused, what goes on to its parent in their place."""
        return self.root / "withheld"
