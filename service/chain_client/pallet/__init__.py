"""The typed face of the pallet: its types, events, calls, storage items and errors."""
