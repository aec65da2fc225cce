"""Writes ``data_samples/faulty`` and its README: ``python -m tests.faulty.make``.

The same bytes come out every time; files that no writer makes twice alike are made once and kept.
"""

from __future__ import annotations

from pathlib import Path

from dagster_project.paths import SAMPLES
from tests.faulty import archives, encodings, other_books, pretenders, tables, values, workbooks
from tests.faulty.kit import FILES, KEPT
from tests.faulty.readme import readme

FOLDER = SAMPLES / "faulty"
GROUPS = (encodings, tables, archives, workbooks, other_books, pretenders, values)
"""Importing them has entered their files."""


def write(folder: Path) -> list[str]:
    """Write every file whose bytes differ; the names of those that were written."""
    folder.mkdir(parents=True, exist_ok=True)
    changed = []
    for name, maker in sorted(FILES.items()):
        path = folder / name
        if name in KEPT and path.exists():
            continue
        data = maker()
        if not path.exists() or path.read_bytes() != data:
            path.write_bytes(data)
            changed.append(name)
    text = readme()
    if not (folder / "README.md").exists() or (folder / "README.md").read_text("utf-8") != text:
        (folder / "README.md").write_text(text, encoding="utf-8")
        changed.append("README.md")
    return changed


if __name__ == "__main__":
    write(FOLDER)
