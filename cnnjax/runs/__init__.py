"""Single runs, each in a folder of its own: trained, and gone on with.

It imports the rooms up to `sweep`; studies of many runs are unknown to it.
"""
