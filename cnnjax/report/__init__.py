"""What a study found, for a terminal, a browser and other programs."""
