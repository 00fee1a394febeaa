"""What a collector tells a broker, and when."""
