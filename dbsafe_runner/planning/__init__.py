"""From levels and forecasts to a plan that is fixed before the first test. Pure."""
