"""Redis and PostgreSQL failing under the processes of production, with figures."""
