"""The page about what a source was like, for the eyes of those who will trust or mistrust a model of it."""
