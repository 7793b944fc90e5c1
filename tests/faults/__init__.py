"""What fails in practice: Redis, PostgreSQL, and the network between them and us."""
