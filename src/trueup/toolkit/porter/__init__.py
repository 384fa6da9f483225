"""The porter: a small process of its own, prepared once, that lets each confined command into a world of its own.

To start one program less for each thing that is shut off is what makes a render cheap: the porter forks, the child makes the world by
system calls and becomes the command. It imports nothing but the standard library, and keeps nothing of a command once that runs.
"""
