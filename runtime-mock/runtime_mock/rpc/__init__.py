"""Substrate's JSON-RPC over WebSocket and HTTP, in the shapes that unmodified clients expect."""
