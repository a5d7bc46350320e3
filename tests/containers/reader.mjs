// A stock reader: npm's hyperswarm finds who has a feed, npm's hypercore checks and keeps every block. node reader.mjs JSON,
// JSON = {host, port, key, length, directory}: the DHT's node, the feed, and where its blocks go. A line of JSON: {bytes, sha256, peers}.

import { createHash } from 'node:crypto'
import { createRequire } from 'node:module'

const require = createRequire(new URL('../interop/', import.meta.url))
const DHT = require('hyperdht')
const Hyperswarm = require('hyperswarm')
const Hypercore = require('hypercore')

const { host, port, key, length, directory } = JSON.parse(process.argv[2])
const dht = new DHT({ bootstrap: [{ host, port }] })
const swarm = new Hyperswarm({ dht })
const core = new Hypercore(directory, Buffer.from(key, 'hex'))
const met = new Set()

await core.ready()
swarm.on('connection', (socket) => {
  socket.on('error', () => {})
  met.add(Buffer.from(socket.remotePublicKey).toString('hex'))
  core.replicate(socket)
})
swarm.join(core.discoveryKey, { server: false, client: true })

const hash = createHash('sha256')
let bytes = 0
for (let index = 0; index < length; index++) {
  const block = await core.get(index) // waits for a peer that has it, and checks it against the signed tree
  hash.update(block)
  bytes += block.byteLength
}
process.stdout.write(JSON.stringify({ bytes, sha256: hash.digest('hex'), peers: [...met].sort() }) + '\n', () => process.exit(0))
