"""Judging what lies in silver: rules of records together, after all feeds."""
