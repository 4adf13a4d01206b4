"""Many runs as few programs: groups of lanes placed on devices, in waves, by an engine.

It imports the rooms up to `training`; verdicts are unknown to it. `session` and what it
imports decide numbers.
"""
