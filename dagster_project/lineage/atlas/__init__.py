"""Every table and column of a site as people look at it: cards, charts and one page."""
