"""The collector without screens: it wires the live source to the broker."""
