"""The interface for a site's parent: the index, files by HTTP's rules, answers left behind."""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from collections.abc import Iterator

import pytest
from fastapi.testclient import TestClient

from dagster_project.protocol.manifest import SIGNATURE
from tests.integration.exchange_kit import CITY
from tests.integration.web_kit import Pair, archived, city_of, kit_of, make_pair, sealed_ids

pytestmark = pytest.mark.xdist_group("web")
CODE = "140321"


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    """A city and a county with two sealed packages."""
    made = make_pair(tmp_path_factory.mktemp("web_exchange"), {CODE: "平定县"})
    yield made
    made.close()


@pytest.fixture(scope="module")
def parent(pair: Pair) -> TestClient:
    """The city as it asks the county."""
    return pair.counties[CODE].client(CITY)


def test_the_index_lists_what_was_sealed_and_committed(pair: Pair, parent: TestClient) -> None:
    """Numbers in order with their archives' sizes; the next page begins where one ended."""
    county = kit_of(pair.counties[CODE])
    told = parent.get("/v1/packages").json()
    assert [one["package_id"] for one in told["packages"]] == sealed_ids(county)
    assert [one["package_no"] for one in told["packages"]] == [1, 2]
    for one in told["packages"]:
        assert one["bytes"] == len(archived(county, one["package_id"]))
        assert one["outcome"] == ""
    first = parent.get("/v1/packages?limit=1").json()
    assert (len(first["packages"]), first["next"]) == (1, 1)
    second = parent.get(f"/v1/packages?limit=1&after={first['next']}").json()
    assert (second["packages"][0]["package_no"], second["next"]) == (2, None)
    assert parent.get("/v1/packages?report=nothing").json() == {"packages": [], "next": None}


def test_what_is_not_committed_is_not_shown(pair: Pair, parent: TestClient) -> None:
    """A folder in the outbox without a row in the ledger is nothing to anybody."""
    county = kit_of(pair.counties[CODE])
    known = sealed_ids(county)[0]
    stranger = known.replace("-r1", "-r9")
    (county.home.outbox / stranger).mkdir()
    (county.home.outbox / stranger / "signature.json").write_text("{}")
    assert parent.get(f"/v1/packages/{stranger}").status_code == 404
    assert stranger not in parent.get("/v1/packages").text


def test_a_package_is_described_and_each_file_can_be_had(pair: Pair, parent: TestClient) -> None:
    """The manifest's hashes are those of the bytes that are sent, and the tags are the hashes."""
    county = kit_of(pair.counties[CODE])
    package_id = sealed_ids(county)[0]
    told = parent.get(f"/v1/packages/{package_id}").json()
    assert told["header"]["package_id"] == package_id
    paths = [*(entry["path"] for entry in told["files"]), SIGNATURE]
    hashes = {entry["path"]: entry["sha256"] for entry in told["files"]}
    for path in paths:
        answer = parent.get(f"/v1/packages/{package_id}/files/{path}")
        data = (county.home.outbox / package_id / path).read_bytes()
        assert answer.content == data
        assert answer.headers["etag"] == f'"{hashlib.sha256(data).hexdigest()}"'
        assert hashes.get(path, hashlib.sha256(data).hexdigest()) in answer.headers["etag"]
        assert answer.headers["accept-ranges"] == "bytes"
        assert answer.headers["content-length"] == str(len(data))
    for path in ("data/other.parquet", "nothing.json"):
        assert parent.get(f"/v1/packages/{package_id}/files/{path}").status_code == 404
    for path in ("..%2f..%2fsite.yaml", "data%2f..%2fsignature.json", "%2e%2e%2fsite.yaml"):
        assert parent.get(f"/v1/packages/{package_id}/files/{path}").status_code in {404, 422}


def test_the_archive_is_the_packages_one_archive(pair: Pair, parent: TestClient) -> None:
    """The bytes that another site would make of the folder, and their hash as the tag."""
    county = kit_of(pair.counties[CODE])
    package_id = sealed_ids(county)[1]
    answer = parent.get(f"/v1/packages/{package_id}/archive")
    assert answer.content == archived(county, package_id)
    assert answer.headers["content-type"] == "application/zip"
    told = parent.get(f"/v1/packages/{package_id}").json()["archive"]
    assert answer.headers["etag"] == f'"{told["sha256"]}"'
    assert told["bytes"] == len(answer.content)
    assert package_id in answer.headers["content-disposition"]
    with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
        assert archive.testzip() is None


RANGES = {
    "bytes=0-0": (0, 1),
    "bytes=10-": (10, None),
    "bytes=5-99999999": (5, None),
    "bytes=-7": (-7, None),
    "bytes=-99999999": (0, None),
    "bytes=3-9": (3, 10),
}


@pytest.mark.parametrize("said", RANGES)
def test_one_range_is_sent(said: str, pair: Pair, parent: TestClient) -> None:
    """A range of the archive is that slice, and says which of how many bytes."""
    package_id = sealed_ids(kit_of(pair.counties[CODE]))[0]
    url = f"/v1/packages/{package_id}/archive"
    data = parent.get(url).content
    start, stop = RANGES[said]
    answer = parent.get(url, headers={"Range": said})
    wanted = data[start:stop]
    assert (answer.status_code, answer.content) == (206, wanted)
    first = data.index(wanted) if len(wanted) > 20 else len(data) + start if start < 0 else start
    end = first + len(wanted) - 1
    assert answer.headers["content-range"] == f"bytes {first}-{end}/{len(data)}"


@pytest.mark.parametrize("said", ["bytes=9-3", "bytes=0-1,3-4", "rows=1-2", "bytes=a-b", "bytes"])
def test_what_is_no_single_range_is_answered_with_all(
    said: str, pair: Pair, parent: TestClient
) -> None:
    """Several ranges, other units and nonsense are passed over, as the standard allows."""
    package_id = sealed_ids(kit_of(pair.counties[CODE]))[0]
    answer = parent.get(f"/v1/packages/{package_id}/files/status.json", headers={"Range": said})
    assert answer.status_code == 200


def test_conditions_hold(pair: Pair, parent: TestClient) -> None:
    """304 for a known tag, 412 for another one, 416 beyond the end, all again if it changed."""
    package_id = sealed_ids(kit_of(pair.counties[CODE]))[0]
    url = f"/v1/packages/{package_id}/files/status.json"
    whole = parent.get(url)
    tag, size = whole.headers["etag"], len(whole.content)

    def asked(**headers: str) -> tuple[int, bytes]:
        answer = parent.get(url, headers={key.replace("_", "-"): v for key, v in headers.items()})
        return answer.status_code, answer.content

    other = '"' + "0" * 64 + '"'
    assert asked(If_None_Match=tag) == (304, b"")
    assert asked(If_None_Match=f"{other}, W/{tag}")[0] == 304
    assert asked(If_None_Match="*")[0] == 304
    assert asked(If_None_Match=other)[0] == 200
    assert asked(If_Match=other)[0] == 412
    assert asked(If_Match=f"W/{tag}")[0] == 412
    assert asked(If_Match=tag)[0] == 200
    assert asked(Range="bytes=0-3", If_Range=tag) == (206, whole.content[:4])
    assert asked(Range="bytes=0-3", If_Range=other) == (200, whole.content)
    beyond = parent.get(url, headers={"Range": f"bytes={size}-"})
    assert (beyond.status_code, beyond.headers["content-range"]) == (416, f"bytes */{size}")
    head = parent.head(url)
    assert (head.content, head.headers["content-length"]) == (b"", str(size))
    assert head.headers["etag"] == tag


def test_a_damaged_package_is_not_sent(pair: Pair, parent: TestClient) -> None:
    """Whatever happened on the disk, no other bytes leave under a sealed name."""
    county = kit_of(pair.counties[CODE])
    package_id = county.report_day(20).package_id
    status = county.home.outbox / package_id / "status.json"
    kept = status.read_bytes()
    status.chmod(0o644)
    status.write_bytes(kept.replace(b"success", b"failure"))
    assert parent.get(f"/v1/packages/{package_id}").status_code == 404
    assert parent.get(f"/v1/packages/{package_id}/archive").status_code == 404
    status.write_bytes(kept)
    assert parent.get(f"/v1/packages/{package_id}/archive").status_code == 200


def test_a_busy_lake_keeps_nobody_waiting(pair: Pair, parent: TestClient) -> None:
    """While a run holds the lake, the index that was seen last is shown."""
    county = kit_of(pair.counties[CODE])
    before = parent.get("/v1/packages").json()
    with county.lake.writer("a long run"):
        assert parent.get("/v1/packages").json() == before


@pytest.mark.thorough
def test_an_answer_that_was_left_is_stored_by_the_next_delivery(
    pair: Pair, parent: TestClient
) -> None:
    """The signed acknowledgement lies where deliveries look; anything else is refused."""
    county, city = kit_of(pair.counties[CODE]), city_of(pair.city)
    package_id = sealed_ids(county)[0]
    url = f"/v1/packages/{package_id}/acknowledgement"
    county.deliver()
    city.receive()
    signed = (county.down / f"{package_id}.ack.json").read_bytes()
    (county.down / f"{package_id}.ack.json").unlink()
    json_type = {"Content-Type": "application/json"}
    assert parent.put(url, content=signed, headers=json_type).status_code == 202
    assert (county.down / f"{package_id}.ack.json").read_bytes() == signed
    assert parent.put(url, content=signed, headers=json_type).status_code == 202
    for data in (b"", b"{}", signed[:-3], signed.replace(b"payloadType", b"payloadtype")):
        assert parent.put(url, content=data, headers=json_type).status_code == 422
    other = url.replace("20230601", "20230602")
    assert parent.put(other, content=signed, headers=json_type).status_code == 422
    assert parent.put(url, content=signed, headers={"Content-Type": "text/xml"}).status_code == 415
    assert parent.put(url, content=b"x" * 70_000, headers=json_type).status_code == 413


def test_the_interface_describes_itself(parent: TestClient) -> None:
    """The document names every operation of the group, with what it may refuse."""
    document = parent.get("/v1/openapi.json").json()
    assert "/v1/packages/{package_id}/archive" in document["paths"]
    assert not any("children" in path for path in document["paths"])
    for operations in document["paths"].values():
        for operation in operations.values():
            assert {"429", "503"} <= set(operation["responses"])
    assert json.dumps(document)
