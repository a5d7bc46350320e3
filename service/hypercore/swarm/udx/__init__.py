"""UDX: reliable streams over UDP, byte for byte those of npm's udx-native (libudx, version 1 of its wire).

`stream.Stream` is the machine: it takes packets and the time, and leaves datagrams and what came in. `endpoint.UdxSocket`
gives it a socket and a clock.
"""
