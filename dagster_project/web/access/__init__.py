"""Who may ask for what under ``/v1``: tokens, bounds, refusals, and a line for every access.

What is then shown or taken is ``exchange``'s and ``reception``'s business.
"""
