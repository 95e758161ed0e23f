"""The live hand-out of batches to workers, and its simulation. Pure: `now` comes in as an argument."""
