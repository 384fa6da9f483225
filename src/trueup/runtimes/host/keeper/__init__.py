"""The keeper: a small program of its own that keeps one service, or runs one job, and outlives whoever started it.

It imports nothing but the standard library, and little of that: there is one keeper for each service of the machine.
"""
