"""`ciltop demo`: a simulated cluster beside the dashboard, with a broker where asked for."""
