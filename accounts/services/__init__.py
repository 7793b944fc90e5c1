"""What can be done: one function per verb, each with its own transaction."""
