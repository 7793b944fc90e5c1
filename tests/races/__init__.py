"""Orders that must hold when things happen at once."""
