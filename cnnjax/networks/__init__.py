"""Networks as Flax modules made of ops, and what they cost.

It imports `config` and `ops`; training, data and records are unknown to it.
"""
