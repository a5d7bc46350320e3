"""A node's dashboard: pages that answer first and read without scripts, made of the same objects as the API."""
