// One end of a cell, with npm's hyperdht: node peer.mjs server|client JSON, JSON = {host, relay, topic, key, seconds}. A line of JSON on stdout:
// the server's {ready: its key}; the client's {ok, ms, first, path} (milliseconds to an open stream, and to the answer to a
// message), or {ok: false, reason}.

import { createRequire } from 'node:module'

const require = createRequire(new URL('../interop/', import.meta.url))
const DHT = require('hyperdht')
const Protomux = require('protomux')

const PROTOCOL = 'datdot/matrix'
const [, , role, given] = process.argv
const options = JSON.parse(given)
const tell = (line) => process.stdout.write(JSON.stringify(line) + '\n')
const raw = { preencode (state, bytes) { state.end += bytes.byteLength }, encode (state, bytes) { state.buffer.set(bytes, state.start); state.start += bytes.byteLength }, decode (state) { const bytes = state.buffer.subarray(state.start, state.end); state.start = state.end; return bytes } }
const relayThrough = options.relay ? Buffer.from(options.relay, 'hex') : null
const dht = new DHT({ bootstrap: [{ host: '44.10.0.1', port: 49737 }], host: options.host || '0.0.0.0' })

function open (socket, onmessage, onopen) {
  const channel = Protomux.from(socket).createChannel({ protocol: PROTOCOL, messages: [{ encoding: raw, onmessage }], onopen })
  channel.open()
  return channel
}

function serve (socket) {
  socket.on('error', () => {})
  const channel = open(socket, (message) => channel.messages[0].send(message))
}

function measure () {
  const began = performance.now()
  const since = () => Math.round(performance.now() - began)
  const done = (line) => { tell(line); process.exit(0) }
  setTimeout(() => done({ ok: false, reason: 'no end within ' + options.seconds + ' s' }), options.seconds * 1000)
  const opened = (socket) => {
    const ms = since()
    const { random, consistent } = dht.stats.punches
    const relayed = socket.rawStream.remoteHost === '44.10.0.12'
    const path = relayed ? 'relayed' : random || consistent ? 'punched' : 'direct' // also where one datagram had opened the way
    const channel = open(socket, () => done({ ok: true, ms, first: since(), path }), () => channel.messages[0].send(Buffer.from([1])))
  }
  return { opened, failed: (error) => done({ ok: false, reason: error.code || error.message, ms: since() }) }
}

await dht.fullyBootstrapped()
if (options.topic) {
  const Hyperswarm = require('hyperswarm')
  const swarm = new Hyperswarm({ dht, relayThrough })
  const topic = Buffer.from(options.topic, 'hex')
  if (role === 'server') {
    swarm.on('connection', serve)
    await swarm.join(topic, { server: true, client: false }).flushed()
    tell({ ready: Buffer.from(swarm.keyPair.publicKey).toString('hex') })
  } else {
    const { opened } = measure()
    swarm.on('connection', (socket) => { socket.on('error', () => {}); opened(socket) })
    swarm.join(topic, { server: false, client: true })
  }
} else if (role === 'server') {
  const server = dht.createServer({ relayThrough }, serve)
  await server.listen()
  tell({ ready: Buffer.from(server.publicKey).toString('hex') })
} else {
  const { opened, failed } = measure()
  const socket = dht.connect(Buffer.from(options.key, 'hex'), { relayThrough })
  socket.on('error', failed)
  socket.on('open', () => opened(socket))
}
process.stdin.on('end', () => process.exit(0)).resume()
