"""Delimited text: encodings, delimiters, records and cells, to the rows of one table.

Workbooks are in ``books``; what a record means is ``table``'s matter.
"""
