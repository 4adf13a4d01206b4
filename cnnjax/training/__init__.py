"""One run as pure functions: its schedule, optimiser, pieces of a batch and program.

It imports the rooms up to `measures`; other lanes and devices are unknown to it.
"""
