"""A node's HTTP server: health, metrics and the API. It shows; it changes nothing."""
