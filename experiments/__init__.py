"""Scripts with flags, and the studies that they run."""

import sys

# `python -m experiments.NAME` imports this before it finds NAME. Whoever imports is left as he is,
# and so is `endure`, which tidies up when it is interrupted.
if sys.argv[:1] == ["-m"] and not any(
    own.startswith("experiments.endure") for own in sys.orig_argv
):
    from experiments import early as early
