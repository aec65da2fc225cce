"""Which periods of which reports are sealed, again, late or withdrawn, and what was sealed."""
