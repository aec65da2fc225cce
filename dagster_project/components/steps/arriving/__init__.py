"""From a channel to the lake: each delivery taken, doubted, held, released or refused."""
