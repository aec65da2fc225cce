"""Bytes to rows of text, with a verdict on every record of the file.

``read`` is the front door. What a cell *means* is decided later, by the contract, in conform.
"""

from dagster_project.ingest.readers.read import read
from dagster_project.ingest.readers.result import ControlTotal, DroppedRow, ReadResult, SheetRead

__all__ = ["ControlTotal", "DroppedRow", "ReadResult", "SheetRead", "read"]
