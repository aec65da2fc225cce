"""JSON documents: JSON Lines, an array of objects, or an object with the records inside.

Where values begin and end is ``scan``'s matter, where the records are ``place``'s, what becomes of
one record ``flat``'s; ``table`` puts them together. Columns are ``machine``'s.
"""
