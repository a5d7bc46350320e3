"""The numbers of the specification's limits and of the README's, with the programs that compute them."""
