"""Pure functions on arrays: each with a known answer, each behind one knob's choice table.

It imports `config` alone; only here is there arithmetic that the platform decides.
"""
