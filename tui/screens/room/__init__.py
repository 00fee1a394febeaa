"""What only a broker tells: its clusters, their collectors, and what was lost on the way."""
