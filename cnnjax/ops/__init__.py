"""Pure functions on arrays: each with a known answer, each behind one knob's choice table."""
