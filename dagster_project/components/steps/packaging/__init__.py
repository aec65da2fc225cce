"""Which periods of which reports are sealed, again, late or withdrawn, and what was sealed.

``due`` and ``periods`` say what is owed; ``sealing``, ``past``, ``building`` and ``withdrawing``
seal; ``replaying`` makes figures from a past state. What a package says besides its figures is
gathered by ``certifying`` (its receipt), ``feed_standings`` and ``held_feeds``, and put together by
``drafting``. ``looking`` shows what was sealed. The way up is ``steps.delivering``'s work.
"""
