"""The distributed hash table of hyperswarm: npm's dht-rpc and hyperdht, message for message, as machines without sockets."""
