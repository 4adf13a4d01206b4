"""Scripts with flags, and the studies that they run."""

import sys

# `python -m experiments.NAME` imports this before it finds NAME. Whoever imports is left as he is,
# and so is `endure`, which ends its own children when it is interrupted.
if sys.argv[:1] == ["-m"] and "experiments.endure" not in sys.orig_argv:
    from experiments import early as early
