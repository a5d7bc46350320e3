"""The format in which files and folders lie in a feed."""
