"""The words of the glossary as frozen values: one word per file, no I/O, no behaviour beyond its own.

Start reading here, then `dbsafe_runner.session`, then any one stage. The way of data:
paths -> footprint -> level (+ forecast) -> plan -> schedule <-> worker holding a lease ->
one stream of events -> console, history, report.
"""
