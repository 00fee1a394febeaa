"""Kubernetes access: session, exec, logs, watch, discovery."""
