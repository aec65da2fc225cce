"""What leaves the site: reports sealed into packages, the outbox, delivery, acknowledgements.

The package's format is ``protocol``; which reports there are and when they are due is not known
here. Revisions of whole months, pushing over HTTP and pulling come as further modules.
"""
