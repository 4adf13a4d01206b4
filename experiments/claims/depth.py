"""The claim that deeper layers combine parts into wholes, on two strokes side by side.

    python launch.py depth-composes

The class is which two strokes there are and which of them is left: a layer that knows only which
are there reads it rightly in half of the cases at most. What each layer knows is read off linearly
from the largest and the mean answer of its channels. A trial of 2026-11-27 with one seed that is
none of the study's read the whole off layers 1 to 4 at 0.46, 0.57, 0.97 and 0.99 of the images,
and of a body that is not trained at 0.47, 0.39, 0.44 and 0.32.
"""

from cnnjax.study.claims import Claim, Comparison, Score, Study

DEEP = {"widths": (20,) * 4, "kernel_size": (3,), "freeze": "none", "learning_rate": 0.005}
# At the same rate the one layer that it trains learned too little for the run to count as sound.
INITIAL = {**DEEP, "freeze": "body", "learning_rate": 0.02}
SHALLOW = {**DEEP, "widths": (20,)}  # whose cells see 4 pixels, and so one stroke at a time
TEMPLATES = {**DEEP, "widths": (20,), "kernel_size": (15,)}  # one layer that sees both whole
PARTS_ALONE = 0.5

STUDY = Study(
    name="depth-composes",
    question="Do deeper layers know how parts are arranged, where the first know the parts?",
    base={
        "dataset": "strokes", "draw": "seed", "train_examples": 2000, "pool_every": 1,
        "head": "global_max", "hidden": (), "batch_size": 64, "steps": 350, "eval_every": 50,
    },
    arms=(DEEP, INITIAL, SHALLOW, TEMPLATES),
    metric="probe_rise",
    claims=(
        Claim(
            id="depth-composes",
            statement="Deeper layers combine these into larger pieces.",
            comparisons=(
                Comparison(
                    DEEP, INITIAL, ">", "2026-11-27, after a trial: ahead by more than 40 points"
                ),
                Comparison(
                    DEEP, PARTS_ALONE, "<", "2026-11-27, after a trial: below one half",
                    metric="probe_first",
                ),
                Comparison(
                    DEEP, PARTS_ALONE, ">", "2026-11-27, after a trial: nearly all",
                    metric="probe_last",
                ),
                Comparison(
                    Score(DEEP, "probe_parts_rise"), Score(DEEP, "probe_rise"), "<",
                    "2026-11-27, after a trial: parts are read off the first layer already",
                ),
                Comparison(
                    SHALLOW, PARTS_ALONE, "<",
                    "2026-11-27, after two layers (10 pixels) reached 78%: below one half",
                    metric="test_accuracy",
                ),
                Comparison(
                    DEEP, TEMPLATES, "=", "2026-11-27: alike, with fewer multiplications",
                    metric="test_accuracy",
                ),
            ),
            tried_as="How strokes are arranged is read off the last layer and not the first, and"
            " more so by training.",
            parts=3,
        ),
    ),
    controls=(INITIAL, SHALLOW),
)  # fmt: skip
