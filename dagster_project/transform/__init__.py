"""From landed text to typed tables (``conform``) and from tables to reports (``models``)."""
