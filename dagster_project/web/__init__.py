"""What a site answers over HTTP: one FastAPI app per site, with the groups of what it is.

``exchange`` shows packages to a parent that fetches, ``reception`` takes what children push,
``metrics`` are for this machine alone. ``access`` decides who may ask for what and keeps an audit;
``server`` binds addresses and certificates. Nothing here judges a package or writes to the lake:
what is pushed is put before the same door that a stick or a share fills.
"""
