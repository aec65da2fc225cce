"""Columnar files (Parquet) to rows of text: ``table`` reads them, ``texts`` writes their cells."""
