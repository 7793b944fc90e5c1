"""What a check, a logout and a refresh cost, next to what others cost. See docs/benchmarks.md."""
