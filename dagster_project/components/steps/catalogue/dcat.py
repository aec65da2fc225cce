"""The catalogue in the words of DCAT 3 (W3C Data Catalog Vocabulary), as JSON-LD.

The context stands in the file itself, so that no reader fetches anything. Where DCAT has no word
(levels of protection, rows, what must be collected) ours are below ``urn:countylake:terms:``;
information items are columns of CSV on the Web.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from dagster_project.components.steps.catalogue.entries import Catalogue, Entry, Item

CONTEXT: Final[Mapping[str, Any]] = {
    "adms": "http://www.w3.org/ns/adms#",
    "csvw": "http://www.w3.org/ns/csvw#",
    "dcat": "http://www.w3.org/ns/dcat#",
    "dct": "http://purl.org/dc/terms/",
    "foaf": "http://xmlns.com/foaf/0.1/",
    "rdfs": "http://www.w3.org/2000/01/rdf-schema#",
    "skos": "http://www.w3.org/2004/02/skos/core#",
    "xsd": "http://www.w3.org/2001/XMLSchema#",
    "lake": "urn:countylake:terms:",
    "dct:title": {"@language": "zh"},
    "dct:description": {"@language": "zh"},
    "foaf:name": {"@language": "zh"},
    "rdfs:label": {"@language": "zh"},
    "skos:prefLabel": {"@language": "zh"},
    "csvw:title": {"@language": "zh"},
    "dct:issued": {"@type": "xsd:date"},
    "dct:modified": {"@type": "xsd:dateTime"},
    "dct:conformsTo": {"@type": "@id"},
    "dct:accrualPeriodicity": {"@type": "@id"},
    "dct:relation": {"@type": "@id"},
    "dct:spatial": {"@type": "@id"},
    "adms:status": {"@type": "@id"},
    "csvw:column": {"@container": "@list"},
}
STANDARD: Final = "http://www.w3.org/TR/vocab-dcat-3/"
FREQUENCIES: Final[Mapping[str, str]] = {
    "实时": "continuous",
    "每日": "daily",
    "每周": "weekly",
    "每月": "monthly",
    "每季度": "quarterly",
    "每半年": "semiannual",
    "每年": "annual",
}
"""Update cycles in the Dublin Core collection frequency vocabulary; 不更新 has no word there."""
STATES: Final[Mapping[str, str]] = {"active": "Completed", "draft": "UnderDevelopment"}
TYPES: Final[Mapping[str, str]] = {"timestamp": "dateTime"}
"""XML Schema's words for types, where they are not ours."""


def dcat(found: Catalogue) -> dict[str, Any]:
    """The whole catalogue as one JSON-LD document."""
    updates = [entry.last_update_at for entry in found.entries if entry.last_update_at]
    return _filled(
        {
            "@context": dict(CONTEXT),
            "@id": f"urn:countylake:{found.site_code}:catalogue",
            "@type": "dcat:Catalog",
            "dct:title": f"{found.site_name}政务信息资源目录",
            "dct:description": "由数据契约生成的政务信息资源目录",
            "dct:publisher": _agent(found, f"site_{found.site_code}", found.site_name, ""),
            "dct:language": "zh",
            "dct:conformsTo": STANDARD,
            "dct:spatial": f"urn:countylake:division:{found.site_code}",
            "dct:modified": max(updates).isoformat() if updates else "",
            "dcat:dataset": [_dataset(found, entry) for entry in found.entries],
        }
    )


def _dataset(found: Catalogue, entry: Entry) -> dict[str, Any]:
    words, name = entry.words, f"{_base(found)}:dataset:{entry.table}"
    frequency = FREQUENCIES.get(words.update_cycle)
    updated = entry.last_update_at
    return _filled(
        {
            "@id": name,
            "@type": "dcat:Dataset",
            "dct:identifier": words.code or entry.table,
            "dct:title": entry.title,
            "dct:description": entry.summary,
            "dct:publisher": _agent(
                found, entry.provider_slug, entry.provider, words.provider_code
            ),
            "dcat:theme": _theme(found, words.code),
            "dcat:version": entry.version,
            "dct:issued": words.published,
            "dct:modified": updated.isoformat() if updated else "",
            "dct:accrualPeriodicity": f"http://purl.org/cld/freq/{frequency}" if frequency else "",
            "dct:accessRights": _rights(found, entry),
            "dct:relation": [f"urn:countylake:resource:{code}" for code in words.related],
            "adms:status": f"http://purl.org/adms/status/{STATES[entry.status]}",
            "lake:openType": found.said("open_type", words.open_type),
            "lake:openCondition": words.open_condition,
            "lake:updateCycle": words.update_cycle,
            "lake:level": entry.level,
            "lake:isRequired": words.required,
            "lake:isMounted": entry.is_mounted,
            "lake:rows": entry.rows,
            "csvw:tableSchema": {
                "@id": f"{name}:schema",
                "@type": "csvw:Schema",
                "csvw:column": [_column(item) for item in entry.items],
            },
            "dcat:distribution": _distribution(name, entry) if entry.is_mounted else None,
        }
    )


def _base(found: Catalogue) -> str:
    return f"urn:countylake:{found.site_code}"


def _agent(found: Catalogue, slug: str, name: str, code: str) -> dict[str, Any]:
    return _filled(
        {
            "@id": f"{_base(found)}:agent:{slug}",
            "@type": "foaf:Organization",
            "foaf:name": name,
            "dct:identifier": code,
        }
    )


def _theme(found: Catalogue, code: str) -> dict[str, Any] | None:
    if not code:
        return None
    return {
        "@id": f"urn:countylake:resource-class:{code[:1]}",
        "@type": "skos:Concept",
        "skos:notation": code[:1],
        "skos:prefLabel": found.said("resource_class", code[:1]),
    }


def _rights(found: Catalogue, entry: Entry) -> dict[str, Any] | None:
    words = entry.words
    if not words.share_type:
        return None
    # The statement is of this entry: two entries of one type have conditions of their own.
    return _filled(
        {
            "@id": f"{_base(found)}:dataset:{entry.table}:rights",
            "@type": "dct:RightsStatement",
            "rdfs:label": found.said("share_type", words.share_type),
            "lake:shareType": words.share_type,
            "lake:shareCondition": words.share_condition,
            "lake:shareMode": found.said("share_mode", words.share_mode),
            "lake:legalBasis": words.legal_basis,
        }
    )


def _column(item: Item) -> dict[str, Any]:
    return _filled(
        {
            "@type": "csvw:Column",
            "csvw:name": item.name,
            "csvw:title": item.title,
            "csvw:datatype": TYPES.get(item.logical_type, item.logical_type),
            "csvw:required": item.is_required,
            "lake:itemType": item.type,
            "lake:length": item.length,
            "lake:level": item.level,
        }
    )


def _distribution(name: str, entry: Entry) -> dict[str, Any]:
    masked = "脱敏视图" if entry.layer == "feed" else "表"
    return {
        "@id": f"{name}:replica",
        "@type": "dcat:Distribution",
        "dct:title": f"只读副本中的{masked} {entry.table}",
        "dct:format": {"@type": "dct:MediaTypeOrExtent", "rdfs:label": "DuckDB"},
    }


def _filled(words: dict[str, Any]) -> dict[str, Any]:
    """Without the words that have nothing to say; false and 0 say something."""
    return {word: value for word, value in words.items() if value not in ("", None, [])}
