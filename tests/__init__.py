"""The tests, kind by kind; ``conftest`` holds the sites that several kinds share."""
