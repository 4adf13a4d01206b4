"""Scripts with flags, and the studies that they run."""
