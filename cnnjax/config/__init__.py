"""What a run is: knobs with their rules, models and data sets by name, flags.

It imports nothing of ours, and no JAX: `--help` and a refusal answer at once.
"""
