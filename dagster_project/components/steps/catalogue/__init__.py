"""The catalogue as people and other systems read it."""
