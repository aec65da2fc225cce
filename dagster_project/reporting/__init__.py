"""What leaves the site: reports sealed into packages, the outbox, delivery, acknowledgements.

The package's format is ``protocol``; which reports there are and when they are due is not known
here. ``package`` seals, ``outbox`` and ``meeting`` deliver over one of the ``links``, ``answers``
keeps what the parent signed. Who may pull is ``web``'s matter.
"""
