"""How good each feed's data are: its score and trend, the rules that cost points, their rows.

What counts, and how, is said by ``sql/gold/quality_*.sql`` alone; here it is read for people.
"""
