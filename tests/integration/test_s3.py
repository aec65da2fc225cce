"""Objects of a real S3 server: fetched whole, once, and continued where a download was cut."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from object_kit import BUCKET, SECRET, USER, Objects
from remote_kit import Puller, noise

from dagster_project.contracts.model import Server
from dagster_project.errors import ChannelError, UsageError

pytestmark = pytest.mark.xdist_group("s3")
MIB = 1 << 20


@pytest.fixture(scope="session")
def server() -> Iterator[Objects]:
    """One store for all tests of this module."""
    store = Objects()
    yield store
    store.close()


@pytest.fixture
def store(server: Objects, monkeypatch: pytest.MonkeyPatch) -> Objects:
    """The store with an empty bucket, and credentials in the environment."""
    server.reset()
    server.empty()
    monkeypatch.setenv("OBJECTS_USER", USER)
    monkeypatch.setenv("OBJECTS_PASSWORD", SECRET)
    return server


def puller(
    store: Objects, tmp_path: Path, path: str = "交换/低保_*.csv", **words: object
) -> Puller:
    """A channel of the store."""
    spool = tmp_path / "spool"
    spool.mkdir(exist_ok=True)
    server = Server(
        name="objects",
        type="s3",
        format="csv",
        location=f"s3://{BUCKET}/{path}",
        endpoint=store.endpoint,
        credentials="env:OBJECTS",
        options={"region": "us-east-1"},
    )
    return Puller(server, spool, dict(words))


def test_new_objects_come_once_and_in_order(store: Objects, tmp_path: Path) -> None:
    """Objects that match are brought by key with their bytes; then nothing is new."""
    for name in ("低保_202612.csv", "低保_202611.csv", "低保_a+b %20 c&d#?.csv", "别的_1.csv"):
        store.put(f"交换/{name}", name.encode() * 1000)
    store.put("交换/低保_大.CSV", noise(3 * MIB))
    store.put("交换/低保_0.csv", b"")
    store.put("交换/", b"")
    store.put("交换/低保_9.csv/", b"")
    store.put("交换/下层/低保_1.csv", b"too deep")
    store.put("交换录/低保_1.csv", b"another folder")
    pulling = puller(store, tmp_path)
    taken = pulling.pull()
    assert list(taken) == [
        "objects/交换/低保_0.csv",
        "objects/交换/低保_202611.csv",
        "objects/交换/低保_202612.csv",
        "objects/交换/低保_a+b %20 c&d#?.csv",
        "objects/交换/低保_大.CSV",
    ]
    assert taken["objects/交换/低保_大.CSV"] == noise(3 * MIB)
    assert pulling.left == []
    assert pulling.pull() == {}
    assert not pulling.refused


def test_a_cut_download_goes_on_where_it_stopped(store: Objects, tmp_path: Path) -> None:
    """After a cut only the bytes that are missing are asked for, and none is lost or doubled."""
    data = noise(24 * MIB)
    store.put("交换/低保_1.csv", data)
    pulling = puller(store, tmp_path)
    store.cut_after = 10 * MIB
    with pytest.raises(ChannelError) as cut:
        pulling.pull()
    assert cut.value.transient
    (part,) = [path for path in pulling.spool.iterdir() if path.suffix == ".part"]
    here = part.stat().st_size
    assert 0 < here <= 10 * MIB
    store.reset()
    assert pulling.pull() == {"objects/交换/低保_1.csv": data}
    assert store.sent == len(data) - here
    assert store.ranges == [f"bytes={here}-"]
    assert pulling.left == []


def test_other_bytes_under_the_same_key_are_another_delivery(
    store: Objects, tmp_path: Path
) -> None:
    """A replaced object comes again, also within one second and of one length."""
    pulling = puller(store, tmp_path)
    for data in (b"first", b"other", b"third"):
        store.put("交换/低保_1.csv", data)
        assert pulling.pull() == {"objects/交换/低保_1.csv": data}
        assert pulling.pull() == {}


def test_bytes_of_an_older_version_are_not_continued(store: Objects, tmp_path: Path) -> None:
    """What was downloaded of an object that was replaced since is thrown away."""
    store.put("交换/低保_1.csv", noise(6 * MIB))
    pulling = puller(store, tmp_path)
    store.cut_after = 4 * MIB
    with pytest.raises(ChannelError):
        pulling.pull()
    assert any(name.endswith(".part") for name in pulling.left)
    store.reset()
    store.put("交换/低保_1.csv", noise(6 * MIB, 2))
    assert pulling.pull() == {"objects/交换/低保_1.csv": noise(6 * MIB, 2)}
    assert store.ranges == [""]


def test_an_object_that_changes_while_it_is_fetched_is_left(store: Objects, tmp_path: Path) -> None:
    """Replaced or removed between listing and download, an object waits; the others go on."""
    for name in ("换", "删", "好"):
        store.put(f"交换/低保_{name}.csv", noise(MIB))

    def reading(method: str, key: str) -> None:
        if method == "GET" and key.endswith("换.csv"):
            store.reading = lambda _method, _key: None
            store.put(key, noise(MIB, 2))
            store.client.delete_object(Bucket=BUCKET, Key="交换/低保_删.csv")
            store.reading = reading

    store.reading = reading
    pulling = puller(store, tmp_path)
    pulling.pull()  # 删 and 好 come first; 换 changes, and 删 is gone afterwards
    assert [sentence for sentence in pulling.unfinished if "低保_换.csv" in sentence]
    store.reset()
    assert pulling.pull() == {"objects/交换/低保_换.csv": noise(MIB, 2)}
    assert pulling.left == []


def test_hostile_keys_hide_nothing_and_name_nothing(store: Objects, tmp_path: Path) -> None:
    """A key may be anything; one that no folder can hold is told, and the others are taken."""
    store.put("交换/低保_1.csv", b"good")
    for key in (
        "交换/../../../etc/低保_1.csv",
        "交换//低保_2.csv",
        "交换/./低保_3.csv",
        "交换/低保_\x01\x1b.csv",
        "交换/低保_" + "长" * 300 + ".csv",
        "交换/x<>&\"'/低保_5.csv",
    ):
        store.put(key, b"odd")
    pulling = puller(store, tmp_path, "交换/**/低保_*.csv")
    assert list(pulling.pull()) == [
        "objects/交换/x<>&\"'/低保_5.csv",
        "objects/交换/低保_1.csv",
        "objects/交换/低保_" + "长" * 300 + ".csv",
    ]
    told = "\n".join(pulling.refused)
    assert "control characters" in told
    assert told.count("empty or dotted folders") == 3
    assert "\x01" not in told
    assert sorted(path.name for path in tmp_path.iterdir()) == ["spool"]


def test_every_page_of_a_long_listing_is_read(store: Objects, tmp_path: Path) -> None:
    """Of thousands of objects only the new ones are asked for, on whichever page they are."""
    store.fill(f"交换/低保_{number:04}.csv" for number in range(1_200))
    pulling = puller(store, tmp_path)
    first = pulling.pull(most=3)
    assert list(first) == [f"objects/交换/低保_{number:04}.csv" for number in range(3)]
    pulling.server = replace(pulling.server, location=f"s3://{BUCKET}/交换/低保_1[01]?7.csv")
    assert len(pulling.pull()) == 20


def test_who_is_not_let_in_is_told_which_credentials_are_wrong(
    store: Objects, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A store's refusal is final and names the reference, never a secret; a busy store is not."""
    store.put("交换/低保_1.csv", b"one")
    for status, transient in (("403 Forbidden", False), ("503 Slow Down", True)):
        store.reading = lambda _method, _key, said=status: said
        with pytest.raises(ChannelError) as refused:
            puller(store, tmp_path).pull()
        assert refused.value.transient is transient
        assert SECRET not in str(refused.value)
    store.reset()
    pulling = puller(store, tmp_path)
    pulling.server = replace(pulling.server, location="s3://nowhere/交换/*.csv")
    with pytest.raises(ChannelError, match="no such bucket") as missing:
        pulling.pull()
    assert not missing.value.transient
    pulling.server = replace(pulling.server, endpoint="http://127.0.0.1:9")
    with pytest.raises(ChannelError, match="cannot be reached") as nobody:
        pulling.pull()
    assert nobody.value.transient
    pulling.server = replace(pulling.server, endpoint="")
    with pytest.raises(UsageError, match="endpointUrl"):
        pulling.pull()
    monkeypatch.delenv("OBJECTS_PASSWORD")
    with pytest.raises(UsageError, match="not complete"):
        puller(store, tmp_path).pull()


def test_one_object_that_may_not_be_read_keeps_no_other(store: Objects, tmp_path: Path) -> None:
    """A forbidden object is told with what to do; the others are taken."""
    store.put("交换/低保_1.csv", b"one")
    store.put("交换/低保_秘密.csv", b"secret")
    store.reading = lambda _method, key: "403 Forbidden" if "秘密" in key else None
    pulling = puller(store, tmp_path)
    assert list(pulling.pull()) == ["objects/交换/低保_1.csv"]
    (sentence,) = pulling.refused
    assert "低保_秘密.csv" in sentence


def test_nothing_of_the_environment_is_used(
    store: Objects, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Keys, tokens, endpoints, proxies and options of the environment are not looked at."""
    for name, value in {
        "AWS_ACCESS_KEY_ID": "of the environment",
        "AWS_SECRET_ACCESS_KEY": "of the environment",
        "AWS_SESSION_TOKEN": "of-the-environment",
        "AWS_ENDPOINT_URL": "http://127.0.0.1:9",
        "AWS_ENDPOINT_URL_S3": "http://127.0.0.1:9",
        "AWS_REGION": "nowhere-1",
        "AWS_DEFAULT_REGION": "nowhere-1",
        "AWS_SKIP_SIGNATURE": "true",
        "AWS_REQUEST_PAYER": "true",
        "AWS_VIRTUAL_HOSTED_STYLE_REQUEST": "true",
        "http_proxy": "http://127.0.0.1:9",
        "HTTP_PROXY": "http://127.0.0.1:9",
        "AWS_CONTAINER_CREDENTIALS_FULL_URI": "http://127.0.0.1:9",
    }.items():
        monkeypatch.setenv(name, value)
    store.put("交换/低保_1.csv", b"one")
    assert puller(store, tmp_path).pull() == {"objects/交换/低保_1.csv": b"one"}
    for shown in store.shown[-3:]:
        assert f"Credential={USER}/" in shown["HTTP_AUTHORIZATION"]
        assert "/us-east-1/s3/" in shown["HTTP_AUTHORIZATION"]
        assert not any("environment" in str(value) for value in shown.values())


def test_what_is_sent_is_signed_as_amazon_signs_it(
    store: Objects, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every question bears the signature that the reference implementation computes of it."""
    monkeypatch.setenv("OBJECTS_TOKEN", "a token")
    for key in ("交换/低保_a+b %20 c&d#?*~()'!.csv", "交换/低保_1.csv"):
        store.put(key, b"rows")
    store.shown.clear()
    assert len(puller(store, tmp_path).pull()) == 2
    assert [shown["REQUEST_METHOD"] for shown in store.shown] == ["GET", *["GET", "HEAD"] * 2]
    for shown in store.shown:
        request = AWSRequest(shown["REQUEST_METHOD"], f"{store.endpoint}{shown['RAW_URI']}")
        said = shown["HTTP_AUTHORIZATION"]
        for name in said.partition("SignedHeaders=")[2].partition(",")[0].split(";"):
            request.headers[name] = shown[f"HTTP_{name.upper().replace('-', '_')}"]
        assert request.headers["x-amz-security-token"] == "a token"
        theirs = S3SigV4Auth(Credentials(USER, SECRET), "s3", "us-east-1")
        request.context["timestamp"] = shown["HTTP_X_AMZ_DATE"]
        text = theirs.string_to_sign(request, theirs.canonical_request(request))
        assert theirs.signature(text, request) == said.rpartition("=")[2]


def test_a_store_without_ranges_is_read_from_the_beginning(store: Objects, tmp_path: Path) -> None:
    """Where a store ignores ranges, the bytes that are here already are skipped."""
    data = noise(6 * MIB)
    store.put("交换/低保_1.csv", data)
    pulling = puller(store, tmp_path)
    store.cut_after = 4 * MIB
    with pytest.raises(ChannelError):
        pulling.pull()
    store.reset()
    store.ranged = False
    assert pulling.pull() == {"objects/交换/低保_1.csv": data}
    assert store.sent == len(data)
