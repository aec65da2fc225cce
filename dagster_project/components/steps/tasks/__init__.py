"""Aggregation tasks: what is due, who is waited for, what starts, stops or is run again."""
