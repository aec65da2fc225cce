"""Benchmarks: ratios against bare scripts in the same run, with peak memory. Not tests."""
