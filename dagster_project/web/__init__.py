"""What a site shows over HTTP, on this machine only: health and metrics.

One FastAPI app per site (``app``), bound to loopback (``server``). What the figures are is told in
``metrics``. Nothing here writes to the lake, and no row of it is shown.
"""
