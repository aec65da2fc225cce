"""``countylake token …``: who may use the site's interface."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from dagster_project.cli.shared import (
    COUNTY_HOME,
    ByOption,
    HomeOption,
    JsonOption,
    WhyOption,
    console,
    emit,
    note,
    standing,
)

if TYPE_CHECKING:
    from dagster_project.web.access.tokens import Token

app = typer.Typer(help="Tokens for other sites: make, list, revoke.", no_args_is_help=True)
MOST_DAYS = 3660


@app.command()
def create(  # noqa: PLR0917 - options of a command
    site: Annotated[str, typer.Option("--for", help="code of the parent or of a child")],
    why: WhyOption,
    scope: Annotated[
        list[str] | None, typer.Option(help="what it is good for, repeatable; else all of its kind")
    ] = None,
    days: Annotated[int, typer.Option(min=1, max=MOST_DAYS, help="until it expires")] = 90,
    by: ByOption = "",
    home: HomeOption = COUNTY_HOME,
    as_json: JsonOption = False,
) -> None:
    """Make a token for the parent or a child; its secret is shown this once."""
    import getpass

    from dagster_project import clock
    from dagster_project.cli.tables import local
    from dagster_project.web.access.granting import scopes_for
    from dagster_project.web.access.tokens import Tokens

    about, found = standing(home)
    made = Tokens(found).make(
        site,
        scopes_for(found, about, site, scope or ()),
        days=days,
        at=clock.now(),
        by=by or getpass.getuser(),
        why=why,
    )
    if as_json:
        emit({**_told(made.token), "secret": made.secret})
        return
    note(f"{made.token.token_id} for {site}, until {local(made.token.expires_at)}; keep it now:")
    console().print(made.secret, markup=False, soft_wrap=True)


@app.command(name="list")
def list_tokens(home: HomeOption = COUNTY_HOME, as_json: JsonOption = False) -> None:
    """Every token that was made, and whether it still opens anything."""
    from dagster_project.cli.tables import local
    from dagster_project.web.access.tokens import Tokens

    _, found = standing(home)
    told = [_told(token) for token in Tokens(found).all()]
    if as_json:
        emit({"tokens": told})
    elif not told:
        console().print("没有令牌 no token was made")
    for one in told if not as_json else ():
        line = f"{one['token_id']}  {one['site']}  {one['state']} until {local(one['expires_at'])}"
        console().print(f"{line}  {', '.join(one['scopes'])}  {one['why']}", markup=False)


@app.command()
def revoke(
    token: Annotated[str, typer.Argument(help="its id, T…")],
    why: WhyOption,
    by: ByOption = "",
    home: HomeOption = COUNTY_HOME,
    as_json: JsonOption = False,
) -> None:
    """Let a token open nothing from now on; a running server follows at the next request."""
    import getpass

    from dagster_project import clock
    from dagster_project.web.access.tokens import Tokens

    _, found = standing(home)
    ended = Tokens(found).revoke(token, at=clock.now(), by=by or getpass.getuser(), why=why)
    if as_json:
        emit(_told(ended))
    else:
        console().print(f"{ended.token_id} of {ended.site} is revoked", markup=False)


def _told(token: Token) -> dict[str, Any]:
    """A token without its hash, which nobody needs to see."""
    from dagster_project import clock

    return {**token.model_dump(exclude={"sha256"}), "state": token.state(clock.now())}
