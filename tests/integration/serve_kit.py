"""A site's ``countylake serve`` in a process of its own, and tokens made by the command."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


def free_port() -> int:
    """A port of this machine that nobody listens on."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def called(root: Path, *arguments: str) -> str:
    """What the command prints."""
    done = subprocess.run(
        [sys.executable, "-m", "dagster_project.cli", *arguments],
        capture_output=True,
        text=True,
        check=False,
        env=_environment(root),
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def allow(root: Path, code: str, other: str, name: str) -> str:
    """A site's token for another one, kept where that one finds it; gives the reference."""
    told = called(
        root,
        *("token", "create", "--for", other, "--why", "report", "--days", "3660"),
        *("--home", str(root / code), "--json"),
    )
    path = root / "keys" / "credentials" / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(f"token={json.loads(told)['secret']}\n", "utf-8")
    path.chmod(0o600)
    return f"file:{name}"


@contextmanager
def serving(root: Path, code: str, port: int) -> Iterator[None]:
    """A site's ``countylake serve`` while the block runs."""
    process = subprocess.Popen(
        [
            *(sys.executable, "-m", "dagster_project.cli", "serve"),
            *("--port", str(port), "--home", str(root / code)),
        ],
        stderr=subprocess.DEVNULL,
        env=_environment(root),
    )
    try:
        for _ in range(600):
            with socket.socket() as line:
                if line.connect_ex(("127.0.0.1", port)) == 0:
                    break
            time.sleep(0.05)
            assert process.poll() is None
        yield
    finally:
        process.terminate()
        process.wait()


def _environment(root: Path) -> dict[str, str]:
    return {
        **os.environ,
        "COUNTYLAKE_KEYS": str(root / "keys"),
        "COUNTYLAKE_SCHEMAS": str(root / "schemas"),
        "COUNTYLAKE_SQL": str(root / "sql"),
        "COUNTYLAKE_THREADS": "1",
    }
