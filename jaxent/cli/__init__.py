"""The command line: `main` is the command `jaxent`, `grid` and `search` hold groups of its commands.

`errors` turns what is wrong with a command line into one sentence; `console` reads words and shows progress. A skin:
nothing imports it.
"""
