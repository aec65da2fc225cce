"""The catalogue as files: official headers, every entry, one order, and terms that DCAT has."""

from __future__ import annotations

import csv
import io
import json
import shutil
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from dagster_project.components.steps.catalogue.dcat import CONTEXT, FREQUENCIES
from dagster_project.components.steps.catalogue.entries import Catalogue, catalogue, entry_of
from dagster_project.components.steps.catalogue.forms import render
from dagster_project.components.steps.workshop import Workshop
from dagster_project.contracts.catalogue import CYCLES
from dagster_project.errors import UsageError
from dagster_project.paths import Home, schemas_dir, sql_dir
from dagster_project.settings import Settings, Site, save_site
from tests.unit.test_catalogue_words import DRAFT

CORE = (
    *("信息资源分类", "信息资源代码", "信息资源名称", "信息资源提供方", "信息资源提供方代码"),
    *("信息资源摘要", "信息资源格式", "信息项", "共享类型", "共享条件", "共享方式", "开放属性"),
    *("更新周期", "发布日期", "关联资源代码"),
)
TERMS = {
    "dcat": {"Catalog", "Dataset", "Distribution", "dataset", "distribution", "theme", "version"},
    "dct": {
        *("title", "description", "publisher", "language", "conformsTo", "spatial", "modified"),
        *("identifier", "issued", "accrualPeriodicity", "accessRights", "relation", "format"),
        *("RightsStatement", "MediaTypeOrExtent"),
    },
    "adms": {"status"},
    "foaf": {"Organization", "name"},
    "skos": {"Concept", "notation", "prefLabel"},
    "rdfs": {"label"},
    "xsd": {"date", "dateTime"},
    "csvw": {
        *("tableSchema", "Schema", "column", "Column", "name", "title", "datatype", "required"),
    },
}
"""The terms of each vocabulary that are used, copied from the vocabularies."""


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> Catalogue:
    """The repository's catalogue with one draft, at a site without a lake."""
    root = tmp_path_factory.mktemp("catalogue")
    schemas = root / "schemas"
    shutil.copytree(schemas_dir(), schemas)
    (schemas / "feeds" / "subsistence.yaml").write_text(DRAFT, "utf-8")
    home = Home(root / "county")
    save_site(home, Site(code="140321", name="平定县"))
    return catalogue(Workshop(home, Settings(), "collect", schemas, sql_dir()))


def nodes(value: Any) -> Iterator[dict[str, Any]]:
    """Every object of a JSON document."""
    if isinstance(value, dict):
        yield value
        for part in value.values():
            yield from nodes(part)
    elif isinstance(value, list):
        for part in value:
            yield from nodes(part)


def test_every_feed_has_an_entry_and_tables_that_say_so(found: Catalogue) -> None:
    """Feeds, the draft and shared tables; a table that says nothing of sharing has none."""
    tables = {entry.table for entry in found.entries}
    assert {"silver.population", "silver.subsistence", "report.population_by_town"} <= tables
    assert not any(table.startswith("gold.") for table in tables)
    codes = [entry.words.code for entry in found.entries]
    assert codes == sorted(codes)
    assert len(set(codes)) == len(codes)
    draft = entry_of(found, "301001/000001")
    assert (draft.table, draft.status, draft.is_mounted) == ("silver.subsistence", "draft", False)


def test_an_entry_is_as_sensitive_as_its_most_sensitive_item(found: Catalogue) -> None:
    """A resident's number makes its table L4; an aggregate report holds nothing personal."""
    assert entry_of(found, "population").level == "L4"
    assert entry_of(found, "report.population_by_town").level in {"L1", "L2"}


def test_lengths_come_from_formats_widths_and_limits(found: Catalogue) -> None:
    """Eighteen characters of a resident's number, precision and scale of an area."""
    items = {item.name: item for item in entry_of(found, "population").items}
    assert (items["id_no"].type, items["id_no"].length) == ("字符型C", "18")
    areas = {item.name: item for item in entry_of(found, "house").items}
    assert areas["area_m2"].type == "数值型N"
    assert "," in areas["area_m2"].length


def test_an_unknown_entry_is_a_sentence(found: Catalogue) -> None:
    """Who asks for what is not there is told how to find it."""
    with pytest.raises(UsageError, match="has no entry 999999/1"):
        entry_of(found, "999999/1")


def test_the_csv_opens_in_a_spreadsheet(found: Catalogue) -> None:
    """A mark for Excel, Chinese headers of the core metadata, one row per entry, no formula."""
    data = render(found, "csv")
    assert data.startswith(b"\xef\xbb\xbf")
    rows = list(csv.DictReader(io.StringIO(data.decode("utf-8-sig"))))
    assert set(CORE) <= set(rows[0])
    assert len(rows) == len(found.entries)
    by_code = {row["信息资源代码"]: row for row in rows}
    bank = by_code["303002/000001"]
    assert (bank["共享类型"], bank["更新周期"], bank["是否已挂接"]) == ("不予共享", "每月", "否")
    assert bank["不予共享依据"]
    assert "（字符型C，18）" in by_code["101001/000001"]["信息项"]


def test_json_holds_codes_beside_titles(found: Catalogue) -> None:
    """What machines compare and what people read stand side by side."""
    told = json.loads(render(found, "json"))
    assert told["site"] == {"code": "140321", "name": "平定县"}
    one = next(entry for entry in told["entries"] if entry["table"] == "silver.house")
    assert (one["share_type"], one["share_type_title"]) == ("2", "有条件共享")
    assert {"name", "title", "type", "length", "level"} <= set(one["items"][0])


def test_the_same_catalogue_gives_the_same_bytes(found: Catalogue) -> None:
    """No clock and no chance in any form."""
    for form in ("csv", "json", "dcat"):
        assert render(found, form) == render(found, form)  # type: ignore[arg-type]


def test_dcat_uses_terms_that_the_vocabularies_have(found: Catalogue) -> None:
    """Every key and type is a term of a vocabulary whose prefix the document itself declares."""
    told = json.loads(render(found, "dcat"))
    context = told.pop("@context")
    assert context == CONTEXT
    assert all(isinstance(context[prefix], str) for prefix in TERMS)
    used = {key for node in nodes(told) for key in node if not key.startswith("@")}
    used |= {node["@type"] for node in nodes(told) if "@type" in node}
    used |= {term for term in context if ":" in term}
    for term in used:
        prefix, _, name = term.partition(":")
        assert prefix == "lake" or name in TERMS[prefix], term


def test_dcat_names_publisher_cycle_rights_and_state(found: Catalogue) -> None:
    """The catalogue holds datasets, each with whose, how often, for whom and how far it is."""
    told = json.loads(render(found, "dcat"))
    assert told["@type"] == "dcat:Catalog"
    sets = {one["dct:identifier"]: one for one in told["dcat:dataset"]}
    assert len(sets) == len(found.entries)
    people = sets["101001/000001"]
    assert people["dct:publisher"]["foaf:name"] == "公安局"
    assert people["dct:accrualPeriodicity"] == "http://purl.org/cld/freq/daily"
    assert people["dct:accessRights"]["rdfs:label"] == "有条件共享"
    assert people["adms:status"].endswith("/Completed")
    assert "dcat:distribution" not in people
    assert sets["301001/000001"]["adms:status"].endswith("/UnderDevelopment")
    assert set(FREQUENCIES) == set(CYCLES) - {"不更新"}


def test_one_identifier_is_one_thing(found: Catalogue) -> None:
    """Nodes with the same identifier say the same, so that no reader merges two statements."""
    told = json.loads(render(found, "dcat"))
    said: dict[str, dict[str, Any]] = {}
    for node in nodes(told):
        if "@id" in node:
            assert said.setdefault(node["@id"], node) == node


def test_what_is_mounted_has_a_distribution(found: Catalogue) -> None:
    """An entry that the lake holds says where, and when it changed."""
    at = datetime(2026, 11, 22, 4, tzinfo=UTC)
    first = replace(found.entries[0], is_mounted=True, last_update_at=at, rows=7)
    changed = replace(found, entries=(first, *found.entries[1:]))
    told = json.loads(render(changed, "dcat"))
    assert told["dct:modified"] == "2026-11-22T04:00:00+00:00"
    one = told["dcat:dataset"][0]
    assert one["dcat:distribution"]["@type"] == "dcat:Distribution"
    assert (one["lake:rows"], one["lake:isMounted"]) == (7, True)
    row = next(csv.DictReader(io.StringIO(render(changed, "csv").decode("utf-8-sig"))))
    assert (row["最近更新时间"], row["数据量"]) == ("2026-11-22 12:00:00", "7")
