"""MQTT: facts to a broker and from one. No command is ever taken from it."""
