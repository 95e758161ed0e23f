"""The harness of `scripts/agreement`: runs on one server beside each other, and against serial runs."""
