"""How deliveries arrive, are kept as bytes, and are read into rows of text.

``channels`` find deliveries, ``landing`` keeps their bytes, ``readers`` turn bytes into text rows.
Nothing here types, repairs or judges a value, and nothing here opens the lake.
"""
