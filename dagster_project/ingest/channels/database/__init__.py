"""Channels that read a department's database: ``base`` pulls, one small module per kind connects.

Every column leaves its database as that database's own text, in one statement and so from one
snapshot, with no lock that a writer would wait for; the extract is a Parquet file of texts.

Which engine reads (1 M rows of 12 columns to Parquet, two busy cores): PostgreSQL through ADBC,
2.4-2.9 s against 1.8-2.4 s of bare connectorx, in record batches and with the server's own error
codes. MySQL through PyMySQL, whose row packets are cut in bulk (``packets``); its own cursors take
10.9 s. DuckDB's scanners serve both kinds, but have no error codes (their sentences hold rows and
are in the server's language), run probes and transactions of their own, and need 4 s. connectorx is
the fastest and 190 MiB large; it panics where a connection is cut. SQLite is in the standard
library. Oracle, SQL Server, 达梦 and 金仓 come in through SQLAlchemy (``hook``) with the driver
that their maker gives; no path exists here that could not be tested.
"""
