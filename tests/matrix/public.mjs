// The public segment of the matrix: node public.mjs COUNT. So many nodes of the DHT, and a blind relay: {ready, relay} when all are there.

import { createRequire } from 'node:module'

const require = createRequire(new URL('../interop/', import.meta.url))
const DHT = require('hyperdht')
const relay = createRequire(require.resolve('hyperdht'))('blind-relay')

const PORT = 49737
const count = Number(process.argv[2])
const bootstrap = [{ host: '44.10.0.1', port: PORT }]
await DHT.bootstrapper(PORT, '44.10.0.1', { host: '44.10.0.1' }).fullyBootstrapped()
for (let i = 2; i <= count; i++) {
  await new DHT({ host: '44.10.0.' + i, port: PORT, bootstrap, ephemeral: false, firewalled: false }).fullyBootstrapped()
}
const dht = new DHT({ host: '44.10.0.12', bootstrap, firewalled: false, ephemeral: true })
await dht.fullyBootstrapped()
const relays = new relay.Server({ createStream: (options) => dht.createRawStream({ ...options, framed: true }) })
const server = dht.createServer({ shareLocalAddress: false }, (socket) => {
  socket.on('error', () => {})
  relays.accept(socket, { id: socket.remotePublicKey }).on('error', () => {})
})
await server.listen()
process.stdout.write(JSON.stringify({ ready: true, relay: Buffer.from(server.publicKey).toString('hex') }) + '\n')
process.stdin.on('end', () => process.exit(0)).resume()
