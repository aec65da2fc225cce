"""A feed whose files lie on an SFTP server and in an object store, taken into the lake."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from object_kit import BUCKET, SECRET, Objects
from object_kit import USER as KEY
from sftp_kit import PASSWORD, USER, Drop

from dagster_project.components.steps.arriving import fetching
from dagster_project.ingest.channels import remote_files
from tests.delivery_kit import TITLES, County, rows

pytestmark = pytest.mark.xdist_group("s3")
SERVERS = """\
  - server: drop
    type: sftp
    location: '{sftp}'
    format: csv
    customProperties:
      - {{property: credentials, value: 'env:DROP'}}
      - {{property: hostKey, value: '{key}'}}
  - server: objects
    type: s3
    location: 's3://{bucket}/交换/许可_*.csv'
    endpointUrl: '{endpoint}'
    format: csv
    customProperties:
      - {{property: credentials, value: 'env:OBJECTS'}}
slaProperties:
"""


def table(*numbers: int) -> bytes:
    """A department's file."""
    lines = [TITLES, *rows(numbers)]
    return ("\n".join(",".join(map(str, line)) for line in lines) + "\n").encode()


@dataclass
class Far:
    """A county and the two machines that its department keeps files on."""

    county: County
    drop: Drop
    store: Objects


@pytest.fixture
def far(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Far]:
    """A county whose one feed is fetched from both."""
    for name, value in {
        "DROP_USER": USER,
        "DROP_PASSWORD": PASSWORD,
        "OBJECTS_USER": KEY,
        "OBJECTS_PASSWORD": SECRET,
    }.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(remote_files, "SECOND_LOOK_AFTER_S", 0.01)
    monkeypatch.setattr(fetching, "BACKOFF_S", (0.01, 0.01))
    root = tmp_path / "root"
    root.mkdir()
    drop, store = Drop(root), Objects()
    store.empty()
    county = County(tmp_path / "site", words=("parts, value: true",), delivery="incremental")
    contract = county.workshop.schemas / "feeds" / "permit.yaml"
    servers = SERVERS.format(
        sftp=drop.location("export/许可_*.csv"),
        key=drop.fingerprints[0],
        bucket=BUCKET,
        endpoint=store.endpoint,
    )
    contract.write_text(contract.read_text().replace("slaProperties:\n", servers))
    county.workshop = county.workshop.renewed()
    assert not county.workshop.contracts.problems, county.workshop.contracts.problems
    yield Far(county, drop, store)
    store.close()
    drop.close()


def test_remote_files_reach_the_lake_once(far: Far) -> None:
    """Files of both machines are merged once, with the channel that brought them; cuts heal."""
    far.drop.put("export/许可_1.csv", table(*range(20_000)))
    far.drop.put("export/许可_表_1of2.csv", table(*range(20_000, 20_002)))
    far.drop.put("export/许可_表_2of2.csv", table(*range(20_002, 20_004)))
    far.store.put("交换/许可_2.csv", table(30_000))
    far.drop.cut_after = 1

    def heal(_: str) -> None:
        if far.drop.opens > 1:
            far.drop.cut_after = 0

    far.drop.opened = heal
    done = far.county.run()
    assert done.status == "success", done.error
    assert done.counts["accepted"] == 20_005
    found = far.county.ask(
        "SELECT channel, server, path, outcome FROM ops.delivery ORDER BY channel DESC, path"
    )
    assert found == [
        ("sftp", "drop", "drop/export/许可_1.csv", "merged"),
        ("sftp", "drop", "drop/export/许可_表.csv", "merged"),
        ("s3", "objects", "objects/交换/许可_2.csv", "merged"),
    ]
    assert far.county.run().deliveries == 0
    assert len(far.county.live()) == 20_005
    spool = far.county.workshop.home.spool
    assert [path for path in spool.rglob("*") if path.is_file() and path.suffix != ".lock"] == []


def test_what_was_left_is_told_and_stops_nothing(far: Far) -> None:
    """A forbidden file and a manifest's wrong hash are told; other files are merged."""
    far.drop.put("export/许可_秘密.csv", table(1))
    far.drop.put("export/许可_2.csv", table(2))
    far.drop.put("export/许可_3.csv", table(3))
    stated = {"path": "许可_3.csv", "bytes": len(table(3)), "sha256": "0" * 64}
    right = {"path": "许可_2.csv", "bytes": len(table(2))}
    right["sha256"] = hashlib.sha256(table(2)).hexdigest()
    for name, line in (("甲", stated), ("乙", right)):
        far.drop.put(f"export/{name}.manifest.json", json.dumps({"files": [line]}).encode())
    done = far.county.run()
    assert far.county.live() == ["P2"]
    assert "许可_秘密.csv" in done.error
    assert "Ask the department to open it" in done.error
    assert "SHA-256 differs" in done.error
    far.drop.put("export/甲.manifest.json", b'{"files": []}', mtime=1_700_000_100)
    far.drop.root.joinpath("export/甲.manifest.json").unlink()
    far.county.run()
    assert far.county.live() == ["P2", "P3"]
