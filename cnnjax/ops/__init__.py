"""Pure functions on arrays: each with a known answer, each behind one knob's choice table.

It imports nothing of ours; only here is there arithmetic that the platform decides.
"""
