"""Feeds whose files lie on another machine, and pulls of them as a feed's step makes them."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from pathlib import Path

from dagster_project.contracts.model import Column, Feed, Server, Sla
from dagster_project.ingest.channels.base import Mark
from dagster_project.ingest.channels.pull import Memory, Window, pull_channel
from dagster_project.ingest.channels.remote_files import RemoteFiles


def remote_feed(server: Server, **words: object) -> Feed:
    """A feed with one channel."""
    return Feed(
        name="subsistence",
        title="低保",
        version="1.0.0",
        department_code="minzheng",
        department_name="民政局",
        columns=(Column("person_no", "编号", "string", key_position=1, required=True),),
        rules=(),
        delivery="incremental",
        servers=(server,),
        sla=Sla(),
        **words,  # type: ignore[arg-type]
    )


@dataclass
class Puller:
    """What a feed's step does with a channel: take, remember, remove."""

    server: Server
    spool: Path
    words: dict[str, object] = field(default_factory=dict)
    marks: set[Mark] = field(default_factory=set)
    refused: list[str] = field(default_factory=list)
    unfinished: list[str] = field(default_factory=list)

    def pull(
        self, *, window: Window | None = None, look: int = 0, most: int = 1_000_000
    ) -> dict[str, bytes]:
        """One pull; the files it brought, by path, in order."""
        feed = remote_feed(self.server, **self.words)
        channel = pull_channel(feed, self.server, self.spool, inbox=self.spool)
        assert isinstance(channel, RemoteFiles)
        memory = Memory(marks=frozenset(self.marks), window=window, look=look)
        taken: dict[str, bytes] = {}
        extracts = channel.pull(memory)
        try:
            for extract in extracts:
                assert extract.candidate.path not in taken
                taken[extract.candidate.path] = b""
                for part in extract.candidate.files:
                    file = extract.locate(part)
                    found = file.stat()
                    assert (found.st_size, found.st_mtime_ns) == (part.size, part.mtime_ns)
                    taken[extract.candidate.path] += file.read_bytes()
                    self.marks.add(part.mark)
                self.marks.add(extract.candidate.mark)
                extract.file.unlink()
                if len(taken) == most:
                    break
        finally:
            extracts.close()
            self.refused = [one.sentence for one in channel.refused]
            self.unfinished = [one.sentence for one in channel.unfinished]
        return taken

    @property
    def left(self) -> list[str]:
        """Names of what lies in the spool."""
        return sorted(path.name for path in self.spool.iterdir())


def noise(size: int, seed: int = 1) -> bytes:
    """Bytes without a repeating pattern, so that a shifted block is noticed."""
    return random.Random(seed).randbytes(size)  # noqa: S311 - no secret
