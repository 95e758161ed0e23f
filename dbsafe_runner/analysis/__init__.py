"""From source text to footprints and levels. Pure: text comes in as arguments.

`analysis.analyse` finds the footprint of each test, `levels.derive_level` turns one into a level,
`classification.classify` weighs it against markers, rules and observations.
"""
