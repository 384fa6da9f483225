"""The tools: they know the world, and none of our nouns."""
