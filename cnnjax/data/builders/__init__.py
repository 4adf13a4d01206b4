"""Data sets that need no network, as TFDS builders, and stand-ins for official ones in tests."""
