"""Fault injection: runs of dbsafe that are hit on purpose, and judged by what a serial run says.

`stage` has the suite and a place for everything that a run makes; `kinds` has the faults; `rounds` plays
them; `judging` says what is right; `tables` keeps count.
"""
