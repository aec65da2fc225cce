"""What any table is made of, however it was written: header, kinds of records, rows of bronze.

Nothing here opens a file.
"""
