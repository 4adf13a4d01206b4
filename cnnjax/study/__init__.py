"""Claims as data, and what becomes of them: statistics, decisions, verdicts, plans.

It imports the rooms up to `measures`, and no JAX but for its plan: a verdict reaches no device.
Called, as `cnnjax.study(Study(...))`, it declares a study of one's own.
"""

from cnnjax.config import doors

doors.open_door(__name__, "cnnjax.study.own", "study")
