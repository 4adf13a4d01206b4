"""Many runs as few programs: groups of lanes placed on devices, in waves, by an engine.

It imports the rooms up to `training`; verdicts are unknown to it. `session` and what it
imports decide numbers. Called, as `cnnjax.sweep({"pool": ["max", "avg"]})`, it runs a grid.
"""

from cnnjax.config import doors

doors.open_door(__name__, "cnnjax.notebook", "sweep")
