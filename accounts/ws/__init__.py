"""The WebSocket edge: the only asynchronous code, besides what hears the notices."""
