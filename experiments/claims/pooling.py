"""The claim that max pooling does a lot better than average pooling.

    python launch.py pooling

Trains 4 arms x 20 seeds; half a minute on two CPU cores.
"""

from cnnjax.study import Claim, Comparison, Study

MAX_BEATS_AVERAGE = Claim(
    id="max-beats-average",
    statement="Max pooling does a lot better than average pooling, though sometimes average wins.",
    comparisons=(
        Comparison({"pool": "max"}, {"pool": "avg"}, ">", "under 2 points either way"),
        Comparison({"pool": "max"}, {"pool": "none"}, ">", "large on few examples"),
        Comparison({"pool": "avg"}, {"pool": "none"}, ">", "large on few examples"),
        Comparison({"pool": "max"}, {"pool": "stride"}, ">", "large on few examples"),
    ),
)

STUDY = Study(
    name="pooling",
    question="How should a CNN shrink its maps: max, average, stride, or not at all?",
    base={"train_examples": 300},
    grid={"pool": ("max", "avg", "stride", "none")},
    claims=(MAX_BEATS_AVERAGE,),
)
