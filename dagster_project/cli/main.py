"""The front door of the command line: the list of commands and the meaning of exit codes.

What a command does stands in its own module; nothing here opens a lake.
"""

from __future__ import annotations

import os
import sys
import warnings

import typer

from dagster_project.cli import (
    act,
    case,
    catalogue,
    city,
    city_chain,
    city_keys,
    city_stick,
    city_trace,
    city_view,
    config,
    deliver,
    demo,
    drift,
    feed,
    feed_versions,
    hold,
    items,
    key,
    lake,
    lineage,
    look,
    notify,
    package,
    quality,
    quarantine,
    read,
    receipt,
    run,
    site,
    tasks,
    token,
    trace,
    verify,
    web,
)
from dagster_project.cli.shared import PARTIAL, complain
from dagster_project.errors import CountyLakeError

app = typer.Typer(
    name="countylake",
    help=(
        "CountyLake 县域数据归集湖仓: department files in, checked tables, signed reports out.\n\n"
        "Exit codes: 0 done · 1 a check found faults, or the programme failed · 2 wrong use · "
        "3 contract · 4 delivery · 5 lake busy · 6 lake · 7 package · 8 model · "
        f"{PARTIAL} partial (some feeds failed or were held, the rest went on) · 10 channel."
    ),
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
)
for module in (site, run, read, look, trace, items, act, verify, deliver, web, demo):
    module.register(app)
app.add_typer(quarantine.app, name="quarantine")
app.add_typer(case.app, name="case")
app.add_typer(hold.app, name="hold")
app.add_typer(drift.app, name="drift")
app.add_typer(config.app, name="config")
feed_versions.register(feed.app)
app.add_typer(feed.app, name="feed")
app.add_typer(catalogue.app, name="catalogue")
app.add_typer(quality.app, name="quality")
app.add_typer(lineage.app, name="lineage")
app.add_typer(tasks.app, name="tasks")
app.add_typer(notify.app, name="notify")
city_view.register(city.app)
city_keys.register(city.app)
city_stick.register(city.app)
city_trace.register(city.app)
city_chain.register(city.app)
app.add_typer(package.app, name="package")
app.add_typer(receipt.app, name="receipt")
app.add_typer(key.app, name="key")
app.add_typer(lake.app, name="lake")
app.add_typer(token.app, name="token")
app.add_typer(city.app, name="city")


def main() -> None:
    """Run the command; an error becomes one sentence on stderr and an exit code."""
    if not sys.warnoptions:
        # Libraries' notes to programmers; `python -W default` shows them.
        warnings.simplefilter("ignore")
    try:
        app()
    except CountyLakeError as error:
        complain(str(error))
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        complain("stopped by the keyboard; what was committed stays, the rest is as before")
        sys.exit(130)
    except BrokenPipeError:
        sys.exit(0)
    except Exception as error:
        if os.environ.get("COUNTYLAKE_DEBUG"):
            raise
        from dagster_project.components.steps.faults import as_ours, sentence_of

        if known := as_ours(error):
            complain(str(known))
            sys.exit(known.exit_code)
        # A library's message may quote a cell; the place in our code is enough for a report.
        complain(f"{sentence_of(error)} COUNTYLAKE_DEBUG=1 shows where, and may show cells.")
        sys.exit(1)
