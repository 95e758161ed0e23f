"""The command line: one file per command. Parses, calls the session, turns results into exit codes."""
