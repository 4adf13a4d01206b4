"""The claim that sharing a kernel over all positions pays; its known part is a check.

    python launch.py parameter-sharing

Kernels that are not shared see the same windows, and have as many times the parameters as there
are positions: that is what the claim is about. What sharing knows is that a thing is the same
wherever it is, so its lead must vanish where pixels are permuted. The local twin has about as many
parameters as the CNN, in fewer channels.
"""

from cnnjax.study.claims import Claim, Comparison, Lead, Overrides, Study
from experiments.claims.fair import RATES

IMAGES, PERMUTED = ({"permute_pixels": permuted, "roll_pixels": 0} for permuted in (False, True))
ROLLED = {"permute_pixels": False, "roll_pixels": 4}  # things are anywhere
FEW, MANY = {"train_examples": 100}, {"train_examples": 400}
SHARED, UNSHARED = ({"model": "cnn", "conv": conv} for conv in ("standard", "unshared"))
TWIN = {"model": "local_twin"}


def _lead(*of: Overrides) -> Lead:
    own = {name: value for part in of for name, value in part.items()}
    return Lead({**SHARED, **own}, {**UNSHARED, **own})


STUDY = Study(
    name="parameter-sharing",
    question="What does it bring to use one kernel at all positions?",
    base={"widths": (8, 16), "steps": 300, "eval_every": 100},
    arms=tuple(
        {**conv, **pixels, **count}
        for conv in (SHARED, UNSHARED)
        for pixels, count in ((IMAGES, FEW), (IMAGES, MANY), (PERMUTED, MANY), (ROLLED, MANY))
    )
    + ({**TWIN, **IMAGES, **MANY},),
    tuning=RATES,
    claims=(
        Claim(
            id="parameter-sharing",
            statement="Sharing a kernel over all positions cuts parameters and makes the"
            " computation cheaper.",
            comparisons=(
                Comparison(
                    _lead(IMAGES, MANY), _lead(PERMUTED, MANY), ">",
                    "2026-11-26: supported, most where things are anywhere",
                ),
                Comparison(
                    {**SHARED, **IMAGES, **MANY}, {**UNSHARED, **IMAGES, **MANY}, ">",
                    "2026-11-26: ahead",
                ),
                Comparison(
                    {**SHARED, **PERMUTED, **MANY}, {**UNSHARED, **PERMUTED, **MANY}, ">",
                    "2026-11-26: no lead, or behind",
                ),
                Comparison(
                    _lead(IMAGES, FEW), _lead(IMAGES, MANY), ">",
                    "2026-11-26: more on few in place, less where things are anywhere",
                ),
                Comparison(
                    _lead(ROLLED, MANY), _lead(IMAGES, MANY), ">",
                    "2026-11-26: supported on digits, none on strokes: they are anywhere already",
                ),
                Comparison(
                    {**SHARED, **IMAGES, **MANY}, TWIN, ">",
                    "2026-11-26: ahead at equal parameters too",
                ),
            ),
            tried_as="With the same receptive field, shared kernels lead unshared ones by more on"
            " images than on permuted pixels.",
        ),
    ),
    controls=(PERMUTED, UNSHARED),
)  # fmt: skip
