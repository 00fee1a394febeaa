"""Who is there, and who reads which node."""
