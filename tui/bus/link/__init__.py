"""The connection to the broker: address, certificates, reconnecting, what waits."""
