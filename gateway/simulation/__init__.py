"""Calls that are only timed: the gateway's own pool, race and budgets on a virtual clock, against accounts whose times
to first token are drawn at random."""
