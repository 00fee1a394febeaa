"""What simulated agents answer, release by release: one module per concept."""
