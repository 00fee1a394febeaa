"""`ciltop --mqtt`: a broker's facts, and acting on Kubernetes where a kubeconfig fits them."""
