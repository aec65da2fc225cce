"""Whom a site may give a token, and what for; tokens themselves are ``tokens``'s matter."""

from __future__ import annotations

from collections.abc import Sequence

from dagster_project.city.register import children, door_of
from dagster_project.errors import UsageError
from dagster_project.paths import Home
from dagster_project.settings import Site
from dagster_project.web.access.tokens import CHILD, PARENT, Scope


def scopes_for(home: Home, site: Site, code: str, asked: Sequence[str]) -> tuple[Scope, ...]:
    """The scopes of a token for another site: those that are asked for, or all of its kind.

    Raises:
        UsageError: It is neither the parent nor a child, or a scope is not one of its kind.
    """
    if code == site.parent and code:
        kind: tuple[Scope, ...] = PARENT
    elif site.receives and door_of(children(home), code) == code:
        kind = CHILD
    else:
        raise UsageError(
            f"site {code} is neither the parent of {site.code} nor a registered child that"
            " delivers itself",
            where=str(home.root),
            todo="Register it first, or name another with --for",
        )
    wrong = [one for one in asked if one not in kind]
    if wrong:
        raise UsageError(
            f"a token for {code} cannot be good for {', '.join(wrong)}",
            todo=f"Choose of {', '.join(kind)}",
        )
    return tuple(one for one in kind if one in asked) if asked else kind
