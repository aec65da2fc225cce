"""What sender and receiver must agree on: canonical JSON, keys, envelopes, the package's format.

Both the reporting and the city room build on it, and a foreign site could be written from it
alone; ``line`` is how either asks the other's web. Nothing here knows the lake, a home folder, a
contract file, or who sits above whom.
"""
