"""Trueup keeps what runs true to what Git says."""
