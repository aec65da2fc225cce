"""From data that nobody has described to a contract, and from contracts to a dictionary."""
