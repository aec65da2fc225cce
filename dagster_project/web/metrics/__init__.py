"""Figures of a site for Prometheus: read from the ledgers, kept while nothing changes, written out.

``ledgers`` reads (kept by ``web.keeper``: no scrape waits), ``series`` names every figure,
``exposition`` writes text. No label holds a person, a cell, a file name or a sentence.
"""
