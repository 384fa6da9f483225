"""Nouns become lines for people: one file for each thing that is shown."""
