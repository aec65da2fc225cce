"""Great Expectations' second opinion on what arrived and on what leaves.

Blocking row rules are not here: they are compiled into the one SELECT that conforms a batch.
What is here runs after publishing, in a process of its own, and never on the path of a merge.
"""
