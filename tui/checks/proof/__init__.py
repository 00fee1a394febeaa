"""Evidence that several checks read, or that is too long for one check's module."""
