"""A whole network on one machine: its processes, the development network and the demo."""
