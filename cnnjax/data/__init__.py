"""Data sets in memory or as a stream, ordered by seed and step: `sources` opens, `builders` makes.

It imports `config`, `records` (whole files) and `ops`; networks are unknown to it.
"""
