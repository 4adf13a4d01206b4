"""What studies of architecture share so that their arms are compared fairly."""

from cnnjax.study.claims import Tuning

# Every arm's own rate, at equal budget: half a decade apart around Config's default of 0.003.
RATES = Tuning({"learning_rate": (3e-4, 1e-3, 3e-3, 1e-2, 3e-2)})
