"""What studies of architecture share so that their arms are compared fairly."""

from cnnjax.study.claims import Tuning

# Every arm's own rate, at equal budget, half a decade apart. Not from 3e-4 on: on the quick board's
# data no arm took that, and one in six took 3e-2 where that was the highest.
RATES = Tuning({"learning_rate": (1e-3, 3e-3, 1e-2, 3e-2, 1e-1)})
