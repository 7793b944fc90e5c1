"""Django's backend for PostgreSQL, made to fail in time when it serves requests."""
