"""One figure turned round: from a cell of a model to the source rows that it was made of."""
