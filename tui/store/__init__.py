"""Current state, history rings and forecasts."""
