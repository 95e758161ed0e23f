"""The command line: one file per command, each from arguments to a session to an exit code.

Renders errors; decides nothing about tests or databases. A command is added by writing its file, with
a typer application named `app` in it, and naming it in `dbsafe_runner.cli.main.COMMANDS`.
"""
