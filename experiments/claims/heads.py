"""The claims on the fully connected layers at the top.

    python launch.py fc-probabilities fc-head fc-correlation

`fc-head`: heads read one and the same map of a network that is trained already, one with a flat
head or one with a global average, whose widths are chosen so that both have parameters within 1%,
which a test holds.
"""

from cnnjax.study.claims import Claim, Comparison, Score, Study

FEW, MANY = {"train_examples": 100}, {"train_examples": 400}
SMALL = {"widths": (8, 16), "steps": 300, "eval_every": 100}

PROBABILITIES = Study(
    name="fc-probabilities",
    question="Are the outputs of the last layer the probabilities of the classes?",
    base=SMALL,
    arms=(FEW, MANY),
    metric="test_overconfidence",
    claims=(
        Claim(
            id="fc-probabilities",
            statement="The last layer's outputs are class probabilities.",
            comparisons=(
                Comparison(FEW, 0.0, "=", "over-confident on few examples"),
                Comparison(MANY, 0.0, "=", "2026-11-26: over-confident by less"),
                Comparison(
                    FEW, 0.0, ">", "2026-11-26: above what bins of a right model err",
                    metric="test_ece_excess",
                ),
                Comparison(FEW, MANY, ">", "2026-11-26: supported", metric="test_ece_excess"),
                Comparison(
                    Score(FEW, "test_overconfidence_scaled"), 0.0, "=",
                    "2026-11-26: supported after temperature scaling",
                ),
                Comparison(
                    Score(FEW, "test_brier_scaled"), Score(FEW, "test_brier"), "<",
                    "lower after temperature scaling", metric="test_brier",
                ),
            ),
            tried_as="The confidence of a network is on average its accuracy.",
        ),
    ),
)  # fmt: skip

FLATTEN = {"head": "flatten", "hidden": (64,), "widths": (16, 32)}
GLOBAL = {"head": "global_avg", "hidden": (), "widths": (32, 127)}
SAME = "heads that are fitted to the same features, which stay as they are"

HEAD = Study(
    name="fc-head",
    question="What reads the same features best: all of the map, its mean, or a hidden layer?",
    base={"pool_every": 2, "train_examples": 300},
    arms=(FLATTEN, GLOBAL),
    metric="test_accuracy",
    claims=(
        Claim(
            id="fc-head",
            statement="A fully connected layer on top reads the features.",
            comparisons=(
                *(
                    Comparison(
                        Score(arm, "probe_head_flat"),
                        Score(arm, "probe_head_mean"),
                        ">",
                        f"2026-11-27: {expected}",
                        about=SAME,
                    )
                    for arm, expected in ((FLATTEN, "ahead by more"), (GLOBAL, "ahead by less"))
                ),
                Comparison(
                    Score({}, "probe_head_dense"),
                    Score({}, "probe_head_flat"),
                    ">",
                    "2026-11-27: alike",
                    about=f"{SAME}; a linear layer at its best ridge, a hidden one at one setting",
                ),
                Comparison(FLATTEN, GLOBAL, ">", "small difference"),
            ),
            tried_as="A linear layer reads the class better off the whole last map than off the"
            " mean of each channel, be the features trained for the one or for the other.",
            parts=2,
        ),
    ),
)

TRUE, SHUFFLED = {"shuffle_labels": False}, {"shuffle_labels": True}

CORRELATION = Study(
    name="fc-correlation",
    question="Do the last layer's weights say which features go with which class?",
    base={**SMALL, "hidden": (), "train_examples": 300},
    arms=(TRUE, SHUFFLED),
    metric="fc_correlation",
    claims=(
        Claim(
            id="fc-correlation",
            statement="The fully connected weights reflect which features go with which class.",
            comparisons=(
                Comparison(TRUE, 0.0, ">", "positive"),
                Comparison(
                    Score(TRUE, "zeroed_top"),
                    Score(TRUE, "zeroed_random"),
                    "<",
                    "2026-11-26, after a trial: lower by more than 10 points",
                    metric="test_accuracy",
                    about="accuracy without a tenth of the features of its class",
                ),
                Comparison(
                    Score(TRUE, "fc_correlation_train"),
                    Score(SHUFFLED, "fc_correlation_train"),
                    "!=",
                    "2026-11-26: alike: shuffled labels that are learned have their features",
                    about="on each network's own training images and labels",
                ),
                Comparison(
                    Score(SHUFFLED, "fc_correlation_train"),
                    0.0,
                    ">",
                    "2026-11-26: positive",
                    about="on its own training images and labels",
                ),
            ),
            tried_as="The more a feature weighs for a class, the more active it is on test images"
            " of that class.",
        ),
    ),
    controls=(SHUFFLED,),
)
