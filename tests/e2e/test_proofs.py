"""What proves a figure, as ``make run`` leaves it: receipts at the counties, traces at the city."""

from __future__ import annotations

import base64
import hashlib
import json
from pathlib import Path

import pytest

from tests.conftest import Demo, told
from tests.e2e.test_demo import HOMES

pytestmark = [pytest.mark.xdist_group("demo"), pytest.mark.slow]


def packages(home: Path) -> list[tuple[int, str, dict[str, object]]]:
    """Every package's number, signed receipt hash, and receipt."""
    found = []
    for folder in home.glob("outbox/1*"):
        envelope = json.loads((folder / "signature.json").read_bytes())
        header = json.loads(base64.b64decode(envelope["payload"]))["header"]
        (receipt,) = json.loads((folder / "receipts.json").read_bytes())["receipts"]
        found.append((header["package_no"], header["receipt_hash"], receipt))
    return sorted(found, key=lambda one: one[0])


@pytest.mark.parametrize("county", HOMES)
def test_every_package_has_its_place_in_the_chain_of_receipts(demo: Demo, county: str) -> None:
    """Each receipt is hashed, signed with its package, and names the one before."""
    sealed = packages(demo.root / HOMES[county])
    assert len(sealed) >= 9
    previous = ""
    for number, signed, receipt in sealed:
        rest = {name: value for name, value in receipt.items() if name != "receipt_hash"}
        text = json.dumps(rest, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
        assert hashlib.sha256(text.encode()).hexdigest() == receipt["receipt_hash"] == signed
        assert (receipt["receipt_no"], receipt["previous_hash"]) == (number, previous)
        previous = signed


def test_a_figure_of_the_city_is_opened_down_to_landed_files(demo: Demo) -> None:
    """Two packages, their deliveries' landed bytes, and the command that opens the rows there."""
    found = told(
        "city", "trace", "population_by_site", "--where", "site_code=all",
        "--column", "resident_cnt", "--home", str(demo.root / "city"),
    )  # fmt: skip
    assert found["proven"]
    assert found["recomputed"] == found["figure"] > 0
    assert {one["site_code"] for one in found["packages"]} == set(HOMES)
    for package in found["packages"]:
        home = demo.root / HOMES[package["site_code"]]
        (feed,) = [one for one in package["feeds"] if one["gives_values"]]
        for batch in feed["batches"]:
            landed = (home / "landing" / batch["sha256"]).read_bytes()
            assert hashlib.sha256(landed).hexdigest() == batch["sha256"]
    last = found["packages"][-1]
    (command,) = last["ask"]
    opened = told(*command.split()[1:], "--home", str(demo.root / HOMES[last["site_code"]]))
    assert opened["equal"]
    assert 0 < opened["figure"] < found["figure"]
