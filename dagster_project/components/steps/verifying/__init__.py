"""Whether what was sealed is true: packages held against the ledgers and made again from silver.

Nothing is repaired here, and nothing is believed of today's SQL, contracts, gold or report tables:
what runs is what each package's receipt says.
"""
