"""What goes over the wire: topics, messages, their bytes, and what is refused."""
