"""What a study found, for a terminal, a browser and other programs.

It imports the rooms up to `study`; whatever it says was decided there.
"""

from cnnjax.records import atomic

atomic.spare_matplotlib()  # it looks for its folders when it is imported
