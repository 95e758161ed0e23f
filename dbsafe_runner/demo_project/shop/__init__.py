"""A small web shop on PostgreSQL: catalogue, checkout, stock, jobs, reports."""
