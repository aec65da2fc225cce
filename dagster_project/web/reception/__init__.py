"""What a site's children may push and ask: packages, answers, their chain, corrections, keys.

``chains`` knows what was decided, ``intake`` takes packages in, ``routes`` are the addresses.
Everything taken is put into the child's exchange folder; only reception judges it.
"""
