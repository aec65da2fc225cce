"""Files whose names say another kind than their bytes: pages, text, documents as workbooks."""

from __future__ import annotations

from tests.faulty.kit import HEADER, ROWS, TABLE, file, lines, zipped
from tests.faulty.xlsx import Sheet, xlsx


@file("W22_文字文档改名.xlsx")
def _word_document() -> bytes:
    kind = "application/vnd.openxmlformats-officedocument.wordprocessingml.document.main+xml"
    namespace = "http://schemas.openxmlformats.org/wordprocessingml/2006/main"
    return zipped(
        [
            (
                "[Content_Types].xml",
                b'<?xml version="1.0"?><Types xmlns="http://schemas.openxmlformats.org/package/2006'
                b'/content-types"><Override PartName="/word/document.xml" ContentType="'
                + kind.encode()
                + b'"/></Types>',
            ),
            (
                "word/document.xml",
                f'<w:document xmlns:w="{namespace}"><w:body/></w:document>'.encode(),
            ),
        ]
    )


@file("W23_pdf改名.xlsx")
def _pdf() -> bytes:
    return b"%PDF-1.4\n1 0 obj<</Type/Catalog>>endobj\ntrailer<</Root 1 0 R>>\n%%EOF\n"


@file("D20_html_实体与换行.xls")
def _html_entities() -> bytes:
    """What pages hold besides text: entities, line breaks, styles, scripts, comments."""
    page = (
        "<html><head><meta charset=utf-8><style>td{color:red}</style></head><body>"
        "<script>var a='<table>';</script><!-- <table><tr><td>x</td></tr></table> -->"
        "<table><tr><td>编号<td>姓名<td>备注</tr>"
        "<tr><td>P001</td><td>安&#26679;甲</td><td>甲&amp;乙&nbsp;&lt;5</td></tr>"
        "<tr><td>P002<td><b>白</b>样乙<td>第一行<br>第二行</table></body></html>"
    )
    return page.encode("utf-8")


@file("D20_html.xls")
def _html() -> bytes:
    cells = "".join(
        "<tr>" + "".join(f"<{tag}>{cell}</{tag}>" for cell in row) + "</tr>\n"
        for tag, row in zip(("th", "td", "td", "td"), TABLE, strict=True)
    )
    head = '<html><head><meta http-equiv="Content-Type" content="text/html; charset=gb2312"></head>'
    return f"{head}\n<body><table border=1>\n{cells}</table></body></html>\n".encode("gb18030")


@file("D20_制表文本.xls")
def _tab_text() -> bytes:
    return lines(TABLE, delimiter="\t", end="\r\n").encode("gb18030")


@file("D20_xml2003.xls")
def _xml2003() -> bytes:
    rows = "".join(
        "<Row>"
        + "".join(f'<Cell><Data ss:Type="{_data_type(cell)}">{cell}</Data></Cell>' for cell in row)
        + "</Row>\n"
        for row in TABLE
    )
    spreadsheet = "urn:schemas-microsoft-com:office:spreadsheet"
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n<?mso-application progid="Excel.Sheet"?>\n'
        f'<Workbook xmlns="{spreadsheet}" xmlns:ss="{spreadsheet}">\n'
        f'<Worksheet ss:Name="补贴"><Table>\n{rows}</Table></Worksheet></Workbook>\n'
    ).encode()


def _data_type(cell: str) -> str:
    return "Number" if cell.replace(".", "").isdigit() else "String"


@file("D20_ooxml.xls")
def _ooxml_as_xls() -> bytes:
    typed = [HEADER, *((no, name, town, float(paid), note) for no, name, town, paid, note in ROWS)]
    return xlsx(Sheet("补贴", typed))


@file("D20_csv改名.xlsx")
def _csv_as_xlsx() -> bytes:
    return lines((HEADER, *ROWS)).encode("gb18030")
