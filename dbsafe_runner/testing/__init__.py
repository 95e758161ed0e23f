"""What test authors may import: fixtures and helpers. Nothing in here is needed to use dbsafe."""
