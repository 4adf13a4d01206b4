"""What a finished run leaves: its record, the address and origin of its numbers, whole files.

It imports `config`, and no JAX. Called, as `cnnjax.records("runs")`, it lists records.
"""

from cnnjax.config import doors

doors.open_door(__name__, "cnnjax.notebook", "records")
