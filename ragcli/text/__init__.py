"""What a text is made of: its words as both searches read them, and its sentences."""
