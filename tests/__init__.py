"""The tests of accounts, which they mirror, and of the project around it."""
