"""`make screenshots`: pictures of every screen, drawn from the demo's data."""
