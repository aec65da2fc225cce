"""SFTP servers that refuse, are another than named, or fall silent: sentences, no secret told."""

from __future__ import annotations

import socket
from dataclasses import replace
from pathlib import Path

import pytest
from sftp_kit import Drop, puller

from dagster_project.errors import ChannelError, UsageError
from dagster_project.ingest.channels import ssh

pytestmark = pytest.mark.xdist_group("sftp")


def test_a_file_that_may_not_be_read_is_told_and_others_go_on(drop: Drop, tmp_path: Path) -> None:
    """A refused file is named with what to do; it keeps nothing else from being taken."""
    drop.put("export/低保_1.csv", b"one")
    drop.put("export/低保_秘密.csv", b"secret")
    drop.put("export/低保_2.csv", b"two")
    pulling = puller(drop, tmp_path)
    assert len(pulling.pull()) == 2
    (sentence,) = pulling.refused
    assert "低保_秘密.csv" in sentence
    assert "Ask the department" in sentence


def test_a_server_with_another_key_is_told_nothing(drop: Drop, tmp_path: Path) -> None:
    """A key that the contract does not name ends the talk before the password is sent."""
    drop.put("export/低保_1.csv", b"one")
    pulling = puller(drop, tmp_path)
    options = {"hostKey": "SHA256:" + "A" * 43}
    pulling.server = replace(pulling.server, options=options)
    with pytest.raises(ChannelError) as stranger:
        pulling.pull()
    assert not stranger.value.transient
    assert options["hostKey"] in str(stranger.value)
    assert drop.fingerprints[0] in str(stranger.value)
    assert drop.tried == []


def test_any_of_the_servers_keys_may_be_named(tmp_path: Path, drop: Drop) -> None:
    """An administrator may have told the RSA fingerprint of a server that prefers Ed25519."""
    other = Drop(drop.root, kinds=("ssh-ed25519", "ecdsa-sha2-nistp256"))
    try:
        other.put("export/低保_1.csv", b"one")
        for number, fingerprint in enumerate(other.fingerprints):
            pulling = puller(other, tmp_path)
            pulling.server = replace(pulling.server, options={"hostKey": fingerprint})
            assert len(pulling.pull()) == 1, number
    finally:
        other.close()


def test_a_wrong_password_is_a_sentence_without_it(
    drop: Drop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who is not let in is told which credentials are wrong; trying again is of no use."""
    monkeypatch.setenv("DROP_PASSWORD", "wrong donkey")
    with pytest.raises(ChannelError) as refused:
        puller(drop, tmp_path).pull()
    assert not refused.value.transient
    assert "env:DROP" in str(refused.value)
    assert "donkey" not in str(refused.value)
    monkeypatch.delenv("DROP_USER")
    with pytest.raises(UsageError, match="name no user"):
        puller(drop, tmp_path).pull()


def test_a_key_file_lets_in(drop: Drop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A private key opens the server, with its passphrase as the password."""
    drop.put("export/低保_1.csv", b"one")
    key = tmp_path / "id"
    drop.public.write_private_key(str(key), "pkcs8-pem", passphrase="open it")  # noqa: S106
    monkeypatch.setenv("DROP_KEY_FILE", str(key))
    monkeypatch.setenv("DROP_PASSWORD", "open it")
    assert len(puller(drop, tmp_path).pull()) == 1
    monkeypatch.setenv("DROP_PASSWORD", "shut")
    with pytest.raises(UsageError, match="private key"):
        puller(drop, tmp_path).pull()


def test_nobody_there_is_worth_another_try(drop: Drop, tmp_path: Path) -> None:
    """A refused connection is transient; a folder that is not there is not."""
    pulling = puller(drop, tmp_path)
    with pytest.raises(ChannelError, match="no such folder") as missing:
        pulling.pull()
    assert not missing.value.transient
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    location = f"sftp://127.0.0.1:{port}/export/低保_*.csv"
    pulling.server = replace(pulling.server, location=location)
    with pytest.raises(ChannelError, match="refused the connection") as nobody:
        pulling.pull()
    assert nobody.value.transient


def test_a_server_that_falls_silent_is_given_up(
    drop: Drop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A server that answers no more is left in time, and the request may succeed later."""
    monkeypatch.setattr(ssh, "PATIENCE_S", 0.3)
    drop.put("export/低保_1.csv", b"one")
    drop.stalls = True
    with pytest.raises(ChannelError, match="in time") as silent:
        puller(drop, tmp_path).pull()
    assert silent.value.transient
