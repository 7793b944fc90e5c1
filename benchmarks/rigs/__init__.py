"""The projects that are measured: the service itself, and each peer as its manual sets it up."""
