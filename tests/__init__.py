"""The tests; they mirror the rooms of `service/` and `runtime-mock/`."""
