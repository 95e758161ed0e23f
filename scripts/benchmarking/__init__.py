"""Benchmarks of dbsafe beside pytest and pytest-xdist.

Every contender runs the same suite on the same machine in turns (A B C A B C …), so that whatever else
the machine does falls on all of them alike; medians are compared. Memory is measured in turns of its
own, because looking at it costs time.
"""
