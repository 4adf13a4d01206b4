"""What nobody should lose their work to: damage done on purpose, and what becomes of it."""
