"""The independent oracle: every figure of every report, computed from the delivered files.

Plain Python over the files and the words of the contracts. Nothing here imports the project, and
nothing of the project imports this: ``tests/house/test_oracle.py`` holds it to that. How a county
is run and how its packages are read is the tests' own matter.
"""
