// The npm side of the measurements over TCP: node tcp_peer.mjs serve DIR COUNT SIZE | fetch DIR KEY PORT COUNT

import { createRequire } from 'node:module'
import net from 'node:net'

const require = createRequire(new URL('../tests/interop/package.json', import.meta.url))
const Hypercore = require('hypercore')
const SecretStream = require('@hyperswarm/secret-stream')

const [, , task, directory, ...rest] = process.argv
const tell = (line) => process.stdout.write(JSON.stringify(line) + '\n')

async function serve (count, size) {
  const core = new Hypercore(directory)
  await core.ready()
  for (let start = 0; start < count; start += 64) {
    const blocks = []
    for (let index = start; index < Math.min(count, start + 64); index++) blocks.push(Buffer.alloc(size, index % 251))
    await core.append(blocks)
  }
  const keyPair = SecretStream.keyPair()
  const server = net.createServer((socket) => {
    socket.setNoDelay(true)
    const stream = new SecretStream(false, socket, { keyPair })
    stream.on('error', () => {}) // the other side has what it wanted and is gone
    core.replicate(stream)
  })
  server.listen(0, '127.0.0.1', () => {
    tell({ port: server.address().port, key: core.key.toString('hex'), peer: keyPair.publicKey.toString('hex') })
  })
}

async function fetch (key, port, count) {
  const core = new Hypercore(directory, Buffer.from(key, 'hex'))
  await core.ready()
  const start = process.hrtime.bigint()
  const socket = net.connect(port, '127.0.0.1')
  socket.setNoDelay(true)
  const stream = new SecretStream(true, socket)
  stream.on('error', () => {})
  core.replicate(stream)
  while (core.length < count) await core.update({ wait: true })
  await core.download({ start: 0, end: count }).done()
  const seconds = Number(process.hrtime.bigint() - start) / 1e9
  if (core.contiguousLength !== count) throw new Error(`only ${core.contiguousLength} blocks came`)
  tell({ seconds, bytes: core.byteLength })
  process.exit(0)
}

process.stdin.on('end', () => process.exit(0)).resume()
if (task === 'serve') await serve(Number(rest[0]), Number(rest[1]))
else await fetch(rest[0], Number(rest[1]), Number(rest[2]))
