"""The claims on the fully connected layers at the top.

    python launch.py fc-probabilities fc-head fc-correlation

`fc-head`: widths are chosen so that both have parameters within 1%, which a test holds.
"""

from cnnjax.study.claims import Claim, Comparison, Score, Study

FEW, MANY = {"train_examples": 100}, {"train_examples": 600}

PROBABILITIES = Study(
    name="fc-probabilities",
    question="Are the outputs of the last layer the probabilities of the classes?",
    base={"pool_every": 2},
    arms=(FEW, MANY),
    metric="test_overconfidence",
    claims=(
        Claim(
            id="fc-probabilities",
            statement="The last layer's outputs are class probabilities.",
            comparisons=(
                Comparison(FEW, 0.0, "=", "over-confident on few examples"),
                Comparison(MANY, 0.0, "=", "none"),
                Comparison(
                    Score(FEW, "test_ece_scaled"), Score(FEW, "test_ece"), "<",
                    "lower after temperature scaling", metric="test_ece",
                ),
                Comparison(
                    Score(FEW, "test_brier_scaled"), Score(FEW, "test_brier"), "<",
                    "lower after temperature scaling", metric="test_brier",
                ),
                Comparison(FEW, MANY, ">", "over-confident on few examples", metric="test_ece"),
            ),
            tried_as="The confidence of a network is on average its accuracy.",
        ),
    ),
)  # fmt: skip

FLATTEN = {"head": "flatten", "hidden": (64,), "widths": (16, 32)}
GLOBAL = {"head": "global_avg", "hidden": (), "widths": (32, 127)}

HEAD = Study(
    name="fc-head",
    question="Fully connected layers or a global average on top?",
    base={"pool_every": 2, "train_examples": 300},
    arms=(FLATTEN, GLOBAL),
    claims=(
        Claim(
            id="fc-head",
            statement="A fully connected layer on top reads the features.",
            comparisons=(Comparison(FLATTEN, GLOBAL, ">", "small difference"),),
            tried_as="Fully connected layers read the features better than their global average.",
        ),
    ),
)

TRUE, SHUFFLED = {"shuffle_labels": False}, {"shuffle_labels": True}

CORRELATION = Study(
    name="fc-correlation",
    question="Do the last layer's weights say which features go with which class?",
    base={"pool_every": 2, "hidden": (), "train_examples": 300},
    arms=(TRUE, SHUFFLED),
    metric="fc_correlation",
    claims=(
        Claim(
            id="fc-correlation",
            statement="The fully connected weights reflect which features go with which class.",
            comparisons=(
                Comparison(TRUE, SHUFFLED, ">", "above the control"),
                Comparison(TRUE, 0.0, ">", "positive"),
                Comparison(SHUFFLED, 0.0, "=", "none"),
            ),
        ),
    ),
    controls=(SHUFFLED,),
)
