"""Data sets as TFDS builders, prepared once, loaded whole, and ordered by (seed, step)."""
