"""Reading ``schemas/quality.yaml``; what its words mean stands in ``policy``."""

from __future__ import annotations

from pathlib import Path

from dagster_project.contracts.assessment import Assessment, assessment_of
from dagster_project.contracts.build import sql_value
from dagster_project.contracts.document import read
from dagster_project.contracts.model import Problem
from dagster_project.contracts.plausibility import Plausibility, plausibility_of
from dagster_project.contracts.policy import Policy
from dagster_project.contracts.profile import form_problems

FILE = "quality.yaml"


def read_policy(root: Path, problems: list[Problem]) -> Policy:
    """The policy of a schemas folder, which need not have one.

    Args:
        root: The ``schemas`` folder.
        problems: Where to note what is wrong; what holds without a policy holds then.
    """
    path = f"{root.name}/{FILE}"
    if not (root / FILE).exists():
        return Policy(path=path)
    document = read(root / FILE, path)
    faults = [document] if isinstance(document, Problem) else []
    if not isinstance(document, Problem):
        faults = list(form_problems(document, "policy"))
    if isinstance(document, Problem) or faults:
        problems += faults
        return Policy(path=path)
    said, usual = document.data, Policy()
    weights = {**usual.weights, **(said.get("weights") or {})}
    if not any(weights.values()):
        problems.append(document.problem("every weight is 0; give one a number", "weights"))
        weights = dict(usual.weights)
    assessment = Assessment()
    try:
        assessment = assessment_of(said.get("assessment") or {})
    except ValueError as error:
        problems.append(document.problem(str(error), "assessment"))
    plausibility = Plausibility()
    try:
        plausibility = plausibility_of(said.get("plausibility") or {})
    except ValueError as error:
        problems.append(document.problem(str(error), "plausibility"))
    return Policy(
        weights=weights,
        share=float((said.get("gate") or {}).get("share", usual.share)),
        deadlines={**usual.deadlines, **(said.get("deadlines") or {})},
        assessment=assessment,
        plausibility=plausibility,
        thresholds={
            rule: {name: sql_value(value) for name, value in values.items()}
            for rule, values in (said.get("thresholds") or {}).items()
        },
        path=path,
    )


def threshold_problems(policy: Policy, root: Path) -> list[Problem]:
    """Thresholds of feeds, rules and parameters that there are not, or of another kind.

    A threshold of the wrong kind spoils its rule, so contracts that were refused are asked, too.
    """
    document = read(root / FILE, policy.path) if policy.thresholds else None
    if document is None or isinstance(document, Problem):
        return []
    found = []
    for name, values in policy.thresholds.items():
        feed, _, rule_id = name.partition(".")
        contract = root / "feeds" / f"{feed}.yaml"
        if not contract.exists():
            what = f"`{name}`: there is no feed `{feed}`; write feed.rule"
            found.append(document.problem(what, "thresholds", name))
            continue
        rules = _own_thresholds(contract)
        if rules is None:
            continue
        known = rules.get(rule_id, {})
        for parameter, value in values.items():
            what = ""
            if parameter not in known:
                shown = ", ".join(known) or "none"
                what = f"`{name}` has no threshold `{parameter}`; it has: {shown}"
            elif sql_value(known[parameter]).startswith("'") != value.startswith("'"):
                kind = "text" if value.startswith("'") else "number"
                what = f"`{parameter}` is a {kind}; `{name}` has {known[parameter]}: write its like"
            if what:
                found.append(document.problem(what, "thresholds", name, parameter))
    return found


def _own_thresholds(contract: Path) -> dict[str, dict[str, float | str]] | None:
    """Rule -> the parameters that its contract gives it; None where the contract has no form."""
    document = read(contract, contract.name)
    if isinstance(document, Problem) or any(form_problems(document, "feed")):
        return None
    rules = document.data["schema"][0].get("quality") or ()
    said = {rule["id"]: rule["implementation"] for rule in rules}
    return {
        name: form.get("parameters", {}) for name, form in said.items() if isinstance(form, dict)
    }
