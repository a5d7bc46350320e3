"""The network of docker-compose.yml, in a dockerd of the tests' own."""
