"""The ``countylake`` command: sentences, tables and exit codes for people and machines.

Commands import late, so that ``--help`` is quick. No rule of the domain lives here.
"""
