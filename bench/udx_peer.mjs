// The npm side of the measurements over UDX, with the tasks of _udx_peer.py: node udx_peer.mjs
//   serve DIR COUNT SIZE BOOTSTRAP | fetch DIR KEY PEER COUNT BOOTSTRAP | send|take OWN_PORT PEER_PORT BYTES

import { createRequire } from 'node:module'
import readline from 'node:readline'

const require = createRequire(new URL('../tests/interop/package.json', import.meta.url))
const [, , task, ...rest] = process.argv
const HERE = '127.0.0.1'
const tell = (line) => process.stdout.write(JSON.stringify(line) + '\n')
const now = () => Number(process.hrtime.bigint()) / 1e9
const spent = () => { const { user, system } = process.cpuUsage(); return (user + system) / 1e6 }

async function node (port) {
  const DHT = require('hyperdht')
  const dht = new DHT({ host: HERE, quickFirewall: false, bootstrap: [{ host: HERE, port }] })
  await dht.fullyBootstrapped()
  return dht
}

async function serve (directory, count, size, bootstrap) {
  const Hypercore = require('hypercore')
  const core = new Hypercore(directory)
  await core.ready()
  for (let start = 0; start < count; start += 64) {
    const blocks = []
    for (let index = start; index < Math.min(count, start + 64); index++) blocks.push(Buffer.alloc(size, index % 251))
    await core.append(blocks)
  }
  const server = (await node(bootstrap)).createServer((socket) => {
    socket.on('error', () => {}) // the other side has what it wanted and is gone
    core.replicate(socket)
  })
  await server.listen()
  tell({ key: core.key.toString('hex'), peer: Buffer.from(server.publicKey).toString('hex') })
  const before = spent()
  for await (const line of readline.createInterface({ input: process.stdin })) if (line === '') tell({ cpu: spent() - before })
}

async function fetch (directory, key, peer, count, bootstrap) {
  const Hypercore = require('hypercore')
  const core = new Hypercore(directory, Buffer.from(key, 'hex'))
  await core.ready()
  const dht = await node(bootstrap)
  const before = spent()
  const start = now()
  const socket = dht.connect(Buffer.from(peer, 'hex'))
  socket.on('error', () => {})
  core.replicate(socket)
  while (core.length < count) await core.update({ wait: true })
  await core.download({ start: 0, end: count }).done()
  const seconds = now() - start
  if (core.contiguousLength !== count) throw new Error(`only ${core.contiguousLength} blocks came`)
  tell({ seconds, bytes: core.byteLength, cpu: spent() - before })
  process.exit(0)
}

// Raw streams have the number of their own port.
function raw (own, peer) {
  const UDX = require('udx-native')
  const udx = new UDX()
  const socket = udx.createSocket()
  socket.bind(own, HERE)
  const stream = udx.createStream(own)
  stream.on('error', () => {})
  stream.connect(socket, peer, peer, HERE)
  return stream
}

function take (own, peer) {
  const stream = raw(own, peer)
  const before = spent()
  let bytes = 0
  let begun = 0
  let ended = 0
  stream.on('data', (data) => { begun = begun || now(); bytes += data.length })
  stream.on('end', () => { ended = now(); stream.end() })
  stream.on('close', () => {
    tell({ seconds: ended - begun, bytes, cpu: spent() - before })
    setTimeout(() => process.exit(0), 300) // the peer may not have heard yet that all has come
  })
  tell({ ready: true })
}

function send (own, peer, size) {
  const stream = raw(own, peer)
  const before = spent()
  const block = Buffer.alloc(65536)
  let sent = 0
  stream.on('data', () => {})
  stream.on('close', () => { tell({ cpu: spent() - before }); process.exit(0) })
  const go = () => {
    while (sent < size) {
      const piece = block.subarray(0, size - sent)
      sent += piece.length
      if (!stream.write(piece)) return stream.once('drain', go)
    }
    stream.end()
  }
  go()
}

if (task === 'serve') await serve(rest[0], Number(rest[1]), Number(rest[2]), Number(rest[3]))
else {
  process.stdin.on('end', () => process.exit(0)).resume()
  if (task === 'fetch') await fetch(rest[0], rest[1], rest[2], Number(rest[3]), Number(rest[4]))
  else (task === 'send' ? send : take)(...rest.map(Number))
}
