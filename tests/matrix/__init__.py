"""The matrix of NATs: peers of ours and of npm's on hosts behind gateways of each kind, in network namespaces of this machine."""
