"""What earlier runs taught: durations, observed levels, dependencies. The only user of sqlite3."""
