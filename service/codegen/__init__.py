"""The generator of the chain's types: from the runtime's metadata to the modules of `service.chain_client.pallet`.

It imports nothing from the chain client, because that may be broken when the generator is needed to mend it.
"""
