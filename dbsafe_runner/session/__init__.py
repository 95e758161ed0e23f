"""The composition root: what a command does, from the configuration and the request to the result.

It puts the parts together and decides nothing that a part could decide by itself. Each command has a
module of its own, so that none imports what only another one needs.
"""
