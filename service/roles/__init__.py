"""What peers do on the chain and among each other: pure machines that decide, and thin asyncio shells that carry it out."""
