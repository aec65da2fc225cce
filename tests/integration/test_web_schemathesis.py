"""Both interfaces asked all that their OpenAPI documents allow, and much that they do not."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from hypothesis.errors import Unsatisfiable
from schemathesis.checks import CHECKS

from dagster_project.protocol.archive import MEDIA_TYPE
from tests.integration.exchange_kit import CITY
from tests.integration.web_kit import Pair, Served, archived, make_pair, sealed_ids

pytestmark = [pytest.mark.thorough, pytest.mark.xdist_group("web_schemathesis")]
CODE = "140321"
EXAMPLES = 12
LEFT_OUT = {
    "positive_data_acceptance",  # which bytes are a signed package no document can say
    "use_after_free",  # nothing is deleted over the interface
    "ensure_resource_availability",  # nothing that is put is shown at the same address
    "object_level_authorization",  # told by test_web_security for every token and address
}
SIDES = ("city", "county")
BEGINNINGS = st.sampled_from([b"", b"PK\x03\x04", b"PK\x05\x06" + bytes(18)])
schemathesis.openapi.media_type(
    MEDIA_TYPE, st.tuples(BEGINNINGS, st.binary(max_size=200)).map(b"".join)
)


@schemathesis.serializer(MEDIA_TYPE)
def archive(_: object, value: object) -> bytes:
    """An archive as the body of a request; what is none in the generated data, as its text."""
    return value if isinstance(value, bytes) else str(value).encode()


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    """A city and a county with packages, answers and a correction on their ways."""
    made = make_pair(tmp_path_factory.mktemp("web_schemathesis"), {CODE: "平定县"})
    county, child = made.counties[CODE].kit, made.city.client(CODE)
    for package_id in sealed_ids(county):
        address = f"/v1/children/{CODE}/packages/{package_id}"
        kind = {"Content-Type": "application/zip"}
        assert child.put(address, content=archived(county, package_id), headers=kind).is_success
    made.city.kit.receive()  # type: ignore[attr-defined]
    folder = made.city.kit.home.exchange / CODE / "corrections"
    folder.mkdir()
    (folder / f"{CODE}-JZ{'A' * 12}.correction.json").write_bytes(b"{}")
    yield made
    made.close()


def shown(pair: Pair, side: str) -> tuple[Served, str]:
    """A site and a secret that opens what it has."""
    if side == "city":
        return pair.city, pair.city.secrets[CODE]
    return pair.counties[CODE], pair.counties[CODE].secrets[CITY]


def known(pair: Pair) -> dict[str, Any]:
    """Values of paths behind which there is something."""
    return {
        "code": CODE,
        "package_id": sealed_ids(pair.counties[CODE].kit)[0],
        "path": "status.json",
        "name": f"{CODE}-JZ{'A' * 12}.answer.json",
    }


@pytest.mark.parametrize("token", ["valid", "none"])
@pytest.mark.parametrize("side", SIDES)
def test_whatever_is_asked_the_answer_is_as_documented(side: str, token: str, pair: Pair) -> None:
    """No fault of ours, only documented statuses, bodies and headers, for data of both kinds."""
    one, secret = shown(pair, side)
    headers = {"Authorization": f"Bearer {secret}"} if token == "valid" else {}  # noqa: S105
    schema = schemathesis.openapi.from_asgi(
        "/v1/openapi.json", one.app, headers={"Host": "127.0.0.1"}
    )
    checks = [check for check in CHECKS.get_all() if check.__name__ not in LEFT_OUT]
    count = 0
    found: Any
    for found in schema.get_all_operations():
        operation = found.ok()
        for mode in schemathesis.GenerationMode:
            for values in ({}, known(pair)):
                _try(operation, mode, values, headers, checks)
                count += 1
    lines = one.log()
    assert count >= 40
    assert len(lines) > 400
    assert not [line for line in lines if line["status"] >= 500]
    reached = {(line["method"], line["route"]) for line in lines if line["status"] < 300}
    assert len(reached) > (6 if token == "valid" else 0)  # noqa: S105


def _try(
    operation: Any, mode: Any, values: dict[str, Any], headers: dict[str, str], checks: list[Any]
) -> None:
    names = {parameter.name for parameter in operation.path_parameters}

    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        phases=[Phase.explicit, Phase.generate],
        suppress_health_check=list(HealthCheck),
        database=None,
        derandomize=True,
    )
    @given(case=operation.as_strategy(generation_mode=mode))
    def ask(case: Any) -> None:
        if values and mode == schemathesis.GenerationMode.NEGATIVE:
            return
        for name in names & values.keys():
            case.path_parameters[name] = values[name]
        case.call_and_validate(headers={"Host": "127.0.0.1", **headers}, checks=checks)

    try:
        ask()
    except Unsatisfiable:
        assert mode == schemathesis.GenerationMode.NEGATIVE
