"""Reading alone: one large text table to text Parquet, against bare Polars in the same run.

The same table lies there in UTF-8 and in GB18030; Polars reads the UTF-8 one, which is all that it
can. Our reader judges the encoding, finds header and delimiter, counts every record and adds the
provenance. Usage: ``python -m tests.bench.reading read FILE OUT`` reads one file,
``python -m tests.bench.reading make ENCODING MIB FILE`` writes one.
"""

from __future__ import annotations

import hashlib
import random
import sys
import time
from pathlib import Path
from statistics import median

from dagster_project.contracts.model import Column, Feed, Sla
from dagster_project.ingest.readers import read
from dagster_project.paths import PROJECT
from tests.bench.timing import Timed, timed

FOLDER = PROJECT / "var" / "bench" / "reading"
TITLES = (
    "人员编号", "姓名", "公民身份号码", "性别", "出生日期", "民族", "户籍地址", "现住地址",
    "联系电话", "文化程度", "房屋面积", "登记时间", "所属网格", "备注",
)  # fmt: skip
SURNAMES = "王李张刘陈杨赵黄周吴徐孙胡朱高林何郭马罗梁宋郑谢韩唐冯于董萧"
GIVEN = "伟芳娜敏静丽强磊军洋勇艳杰娟涛明超秀霞平刚桂英华玉兰"
TOWNS = (
    "冠山镇",
    "冶西镇",
    "锁簧镇",
    "张庄镇",
    "东回镇",
    "柏井镇",
    "娘子关镇",
    "巨城镇",
    "石门口乡",
    "岔口乡",
)
BARE = (
    "import sys, time, polars as pl; began = time.monotonic(); "
    "pl.scan_csv(sys.argv[1], infer_schema=False).sink_parquet(sys.argv[2], compression='zstd'); "
    "print(time.monotonic() - began)"
)
"""What one line of Polars does, in a process that knows nothing of the project.

Seconds are those of reading: a process of the lake has its modules loaded long before.
"""
OURS = ("-m", "tests.bench.reading", "read")
ROWS = 100_000
"""So many different rows; a larger file repeats them."""


def make(path: Path, encoding: str, mib: int) -> None:
    """Write the table in an encoding, as large as ``mib`` MiB of UTF-8 are."""
    dice = random.Random(20230531)  # noqa: S311 - invented people
    rows = "".join(_row(dice, number) for number in range(ROWS))
    block, size = rows.encode(encoding), len(rows.encode())
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:
        file.write((",".join(TITLES) + "\r\n").encode(encoding))
        for _ in range(max(mib * (1 << 20) // size, 1)):
            file.write(block)


def _row(dice: random.Random, number: int) -> str:
    name = dice.choice(SURNAMES) + "".join(dice.choices(GIVEN, k=dice.randint(1, 2)))
    born = f"{dice.randint(1930, 2022)}-{dice.randint(1, 12):02}-{dice.randint(1, 28):02}"
    town, village = dice.choice(TOWNS), dice.choice(GIVEN) + "家庄村"
    flat = f"幸福路{dice.randint(1, 300)}号{dice.randint(1, 9)}号楼{dice.randint(1, 6)}单元"
    cells = (
        f"P{number:08}",
        name,
        f"140321{born.replace('-', '')}{dice.randint(1000, 9999)}",
        dice.choice("男女"),
        born,
        "汉族",
        f"山西省平定县{town}{village}{dice.randint(1, 300)}号",
        f"山西省阳泉市平定县{town}{flat}",
        f"139{dice.randint(10_000_000, 99_999_999)}",
        dice.choice(("小学", "初中", "高中", "大学本科")),
        f"{dice.uniform(20, 200):.2f}",
        f"2023-05-{dice.randint(1, 28):02} 10:{dice.randint(10, 59)}:00",
        f"14032110{dice.randint(1000, 9999)}",
        "" if dice.random() < 0.9 else "外出务工",
    )
    return ",".join(cells) + "\r\n"


def ours(source: Path, out: Path) -> None:
    """What the lake does with the same file before conforming it."""
    columns = tuple(Column(f"c{n}", title, "string") for n, title in enumerate(TITLES))
    feed = Feed("people", "人", "1.0.0", "ga", "公安局", columns, (), "full", ("*",), Sla())
    began = time.monotonic()
    read(source, feed, "b-1", out)
    sys.stdout.write(f"{time.monotonic() - began}")


def measure(mib: int, rounds: int) -> None:
    """Print throughput, ratios and peaks."""
    files = {encoding: _landed(encoding, mib) for encoding in ("utf-8", "gb18030")}
    size = files["utf-8"].stat().st_size / (1 << 20)
    bare, plain, national = [], [], []
    for _ in range(rounds):
        bare.append(_read(files["utf-8"], "-c", BARE))
        plain.append(_read(files["utf-8"], *OURS))
        national.append(_read(files["gb18030"], *OURS))
    sys.stdout.write(f"reading {size:.0f} MiB of text to Parquet, {rounds} rounds, medians\n")
    for what, runs in (
        ("polars, UTF-8", bare),
        ("reader, UTF-8", plain),
        ("reader, GB18030", national),
    ):
        wall = median(float(run.printed) for run in runs)
        pairs = zip(bare, runs, strict=True)
        ratio = median(float(b.printed) / float(run.printed) for b, run in pairs)
        sys.stdout.write(
            f"  {what:20} {size / wall:6.0f} MiB/s   throughput {ratio:.0%} of polars"
            f"   peak {max(run.peak for run in runs):6.0f} MiB"
            f"   CPU {median(run.cpu for run in runs):6.1f} s\n"
        )


def _landed(encoding: str, mib: int) -> Path:
    """The table as it lies in the landing zone: named by its digest, made once."""
    folder = FOLDER / f"{encoding}-{mib}"
    if not folder.exists():
        part = FOLDER / "part"
        make(part, encoding, mib)
        with part.open("rb") as file:
            name = hashlib.file_digest(file, "sha256").hexdigest()
        folder.mkdir()
        part.replace(folder / name)
    return next(folder.iterdir())


def _read(source: Path, *how: str) -> Timed:
    out = FOLDER / "out.parquet"
    out.unlink(missing_ok=True)
    return timed([sys.executable, *how, str(source), str(out)])


def main() -> None:
    """Read or make one file."""
    how, *given = sys.argv[1:]
    if how == "make":
        make(Path(given[2]), given[0], int(given[1]))
    else:
        ours(Path(given[0]), Path(given[1]))


if __name__ == "__main__":
    main()
