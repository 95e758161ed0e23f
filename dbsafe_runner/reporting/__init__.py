"""What the user sees of a run: one sink of events per file."""
