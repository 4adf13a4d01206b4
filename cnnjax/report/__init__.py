"""What a study found, for a terminal, a browser and other programs."""

from cnnjax import disk

disk.spare_matplotlib()  # it looks for its folders when it is imported
