"""From source text to footprints and levels. Pure: text comes in as arguments."""
