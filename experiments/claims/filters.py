"""The claim that filters start random and become useful through training.

python launch.py learned-filters
"""

from cnnjax.study.claims import Claim, Comparison, Study, cross

STUDY = Study(
    name="learned-filters",
    question="How much of a CNN's accuracy is in its trained kernels?",
    base={"pool_every": 2},
    arms=cross({"train_examples": (100, 600), "freeze": ("none", "convolutions")}),
    claims=(
        Claim(
            id="learned-filters",
            statement="Filters start random and become useful through training.",
            comparisons=(
                Comparison({"freeze": "none"}, {"freeze": "convolutions"}, ">", "trained ahead"),
                *(
                    Comparison(
                        {"freeze": "none", "train_examples": count},
                        {"freeze": "convolutions", "train_examples": count},
                        ">",
                        "frozen surprisingly close",
                    )
                    for count in (100, 600)
                ),
            ),
        ),
    ),
    controls=({"freeze": "convolutions"},),
)
