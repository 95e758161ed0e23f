"""dbsafe: run a pytest suite in parallel against PostgreSQL with the verdict of a serial run.

Read `dbsafe_runner.domain` first, then `dbsafe_runner.session`. This module imports nothing, so that
what runs inside the user's test processes stays light.
"""

__version__ = "0.1.0"
