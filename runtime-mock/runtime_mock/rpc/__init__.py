"""Substrate's JSON-RPC over WebSocket and HTTP, in the forms that unmodified clients expect."""
