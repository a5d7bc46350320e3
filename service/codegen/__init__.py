"""The generator of the chain's types: from the runtime's metadata to the modules of ``service.chain_client.pallet``.

It imports nothing of the chain client, which may be what it is about to mend.
"""
