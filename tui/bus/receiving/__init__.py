"""What a dashboard makes of a broker's messages; what a responder tells."""
