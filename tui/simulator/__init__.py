"""The simulated cluster: an HTTP server that speaks the Kubernetes API."""
