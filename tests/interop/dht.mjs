// A hyperdht node that a test drives: node dht.mjs BOOTSTRAP_PORT. Commands as JSON lines on stdin, answers on stdout.

import { createRequire } from 'node:module'
import { createHash } from 'node:crypto'
import path from 'node:path'
import readline from 'node:readline'

const require = createRequire(import.meta.url)
const DHT = require('hyperdht')
const blindRelay = require('blind-relay')
const Hypercore = require('hypercore')
const c = require('compact-encoding')
const Persistent = require('hyperdht/lib/persistent')
const messages = require('hyperdht/lib/messages')
const { COMMANDS } = require('hyperdht/lib/constants')

const hex = (bytes) => Buffer.from(bytes).toString('hex')
const raw = (text) => Buffer.from(text, 'hex')
const tell = (line) => process.stdout.write(JSON.stringify(line) + '\n')
// whether it takes itself for open is a race of its own: here it never does
const dht = new DHT({ host: '127.0.0.1', quickFirewall: false, bootstrap: [{ host: '127.0.0.1', port: Number(process.argv[2]) }] })

async function told (core) {
  const digest = createHash('sha256')
  for (let i = 0; i < core.length; i++) digest.update(await core.get(i))
  return { key: hex(core.key), length: core.length, sha256: digest.digest('hex') }
}

const relays = []
// by a relay and in no other way
const onlyBy = (relay) => ({ relayThrough: raw(relay), holepunch: false, shareLocalAddress: false, localConnection: false })

// A swarm that replicates one core with whoever it meets.
let swarm = null
let shared = null
const meetings = new Set()

function swarmed () {
  if (swarm) return swarm
  const Hyperswarm = require('hyperswarm')
  swarm = new Hyperswarm({ dht })
  swarm.on('connection', (socket) => {
    socket.on('error', () => {})
    if (shared) shared.replicate(socket)
    for (const met of meetings) met()
  })
  return swarm
}

const commands = {
  async share ({ directory, blocks, size, key }) {
    shared = key ? new Hypercore(path.join(directory, 'copy'), raw(key)) : new Hypercore(path.join(directory, 'own'))
    await shared.ready()
    if (blocks) await shared.append(Array.from({ length: blocks }, (_, i) => Buffer.alloc(size, i & 255)))
    return key ? null : await told(shared)
  },
  async shared ({ length }) {
    await shared.download({ start: 0, end: length }).done()
    return await told(shared)
  },
  async join ({ topic, server, client }) {
    await swarmed().join(raw(topic), { server, client }).flushed()
    return hex(swarm.keyPair.publicKey)
  },
  async leave ({ topic }) { await swarmed().leave(raw(topic)) },
  async listen () {
    await swarmed().listen()
    return hex(swarm.keyPair.publicKey)
  },
  async joinPeer ({ key }) {
    swarmed().joinPeer(raw(key))
    return hex(swarm.keyPair.publicKey)
  },
  async met ({ count }) {
    while (swarmed().connections.size < count) {
      await new Promise((resolve) => { const met = () => { meetings.delete(met); resolve() }; meetings.add(met) })
    }
    return [...swarm.connections].map((socket) => hex(socket.remotePublicKey)).sort()
  },
  async announce ({ topic, seed }) {
    const keyPair = DHT.keyPair(raw(seed))
    await dht.announce(raw(topic), keyPair).finished()
    return hex(keyPair.publicKey)
  },
  async unannounce ({ topic, seed }) { await dht.unannounce(raw(topic), DHT.keyPair(raw(seed))) },
  // a node that stays, on this machine's loopback
  async node ({ port }) {
    const node = DHT.bootstrapper(port, '127.0.0.1', { host: '127.0.0.1' })
    await node.fullyBootstrapped()
    return hex(node.id)
  },
  // hyperdht's own client announces without `refresh`, its nodes take it: how many did
  async announceRefresh ({ topic, seed, refresh, shown }) {
    const keyPair = DHT.keyPair(raw(seed))
    const query = dht.findPeer(raw(topic), { hash: false })
    await query.finished()
    const asked = query.closestReplies.map(({ from, token }) => {
      const ann = { peer: null, refresh: raw(shown || refresh), signature: null }
      if (refresh) {
        ann.peer = { publicKey: keyPair.publicKey, relayAddresses: [] }
        ann.signature = Persistent.signAnnounce(raw(topic), token, from.id, ann, keyPair)
      }
      return dht.request({ token, target: raw(topic), command: COMMANDS.ANNOUNCE, value: c.encode(messages.announce, ann) }, from, { retry: false })
    })
    return (await Promise.allSettled(asked)).filter((one) => one.status === 'fulfilled' && !one.value.error).length
  },
  async lookup ({ topic }) {
    const found = new Set()
    for await (const reply of dht.lookup(raw(topic))) for (const peer of reply.peers) found.add(hex(peer.publicKey))
    return [...found].sort()
  },
  async mutablePut ({ seed, value, seq }) { return hex((await dht.mutablePut(DHT.keyPair(raw(seed)), raw(value), { seq })).publicKey) },
  async mutableGet ({ key }) {
    const found = await dht.mutableGet(raw(key))
    return found && { seq: found.seq, value: hex(found.value) }
  },
  async immutablePut ({ value }) { return hex((await dht.immutablePut(raw(value))).hash) },
  async immutableGet ({ hash }) {
    const found = await dht.immutableGet(raw(hash))
    return found && hex(found.value)
  },
  async serve ({ seed, reusableSocket }) {
    const server = dht.createServer({ reusableSocket }, (socket) => { socket.on('error', () => {}); socket.pipe(socket) })
    const keyPair = DHT.keyPair(raw(seed))
    await server.listen(keyPair)
    return hex(keyPair.publicKey)
  },
  async serveFeed ({ seed, directory, blocks, size, relay }) {
    const core = new Hypercore(path.join(directory, 'made'))
    await core.ready()
    await core.append(Array.from({ length: blocks }, (_, i) => Buffer.alloc(size, i & 255)))
    const server = dht.createServer(relay ? onlyBy(relay) : {}, (socket) => { socket.on('error', () => {}); core.replicate(socket) })
    await server.listen(DHT.keyPair(raw(seed)))
    return { peer: hex(server.publicKey), ...await told(core) }
  },
  async fetchFeed ({ peer, directory, key, length, relay }) {
    const core = new Hypercore(path.join(directory, 'fetched'), raw(key))
    await core.ready()
    const socket = dht.connect(raw(peer), relay ? onlyBy(relay) : {})
    core.replicate(socket)
    await new Promise((resolve, reject) => { socket.once('open', resolve); socket.once('error', reject) })
    socket.on('error', () => {})
    await core.download({ start: 0, end: length }).done()
    const found = await told(core)
    socket.end()
    await core.close()
    return found
  },
  async relay () {
    const relay = new blindRelay.Server({ createStream: (options) => dht.createRawStream({ ...options, framed: true }) })
    const server = dht.createServer({ shareLocalAddress: false }, (socket) => {
      socket.on('error', () => {})
      relay.accept(socket, { id: socket.remotePublicKey }).on('error', () => {})
    })
    await server.listen(DHT.keyPair())
    relays.push(relay)
    return hex(server.publicKey)
  },
  async relayed () { return relays[0].stats.pairings },
  // a connection that stays: the key by which the other side knows this one
  async dial ({ key, reusableSocket }) {
    const socket = dht.connect(raw(key), { reusableSocket })
    await new Promise((resolve, reject) => { socket.once('open', resolve); socket.once('error', reject) })
    socket.on('error', () => {})
    return hex(socket.publicKey)
  },
  async echo ({ key, value }) {
    const socket = dht.connect(raw(key))
    return await new Promise((resolve, reject) => {
      socket.on('error', reject)
      socket.on('data', (data) => { resolve(hex(data)); socket.end() })
      socket.write(raw(value))
    })
  }
}

await dht.fullyBootstrapped()
tell({ ready: dht.bootstrapped })
for await (const line of readline.createInterface({ input: process.stdin })) {
  const { command, ...given } = JSON.parse(line)
  commands[command](given).then((answer) => tell({ answer: answer === undefined ? null : answer }), (error) => tell({ error: error.message }))
}
await dht.destroy()
process.exit(0)
