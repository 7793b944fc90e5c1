"""The HTML edge: browsers, whose cookies are bound to rows."""
