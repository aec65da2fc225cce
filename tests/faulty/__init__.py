"""The files of ``data_samples/faulty``: how each is made, and what must be read from it."""
