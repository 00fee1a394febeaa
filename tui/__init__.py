"""ciltop: a terminal dashboard for incidents with Cilium's kube-proxy replacement."""

__version__ = "0.1.0"
