"""PostgreSQL: servers, templates, namespaces, observation and reset."""
