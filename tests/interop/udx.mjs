// One end of a UDX stream that a test or a measurement drives: node udx.mjs OWN_ID PEER_ID OWN_PORT PEER_PORT BYTES ECHO
// It sends BYTES bytes (i -> (7 i + (i >> 8)) & 255, i the number within 65536), ends, and reads to the peer's end. ECHO 1:
// it sends back what it reads instead. Lines on stdout: {port}, then at the end {read, sha256, ended, mtu, seconds, cpu}.

import { createRequire } from 'node:module'
import { createHash } from 'node:crypto'

const require = createRequire(import.meta.url)
const UDX = require('udx-native')

const [own, peer, ownPort, peerPort, size, echo] = process.argv.slice(2).map(Number)
const udx = new UDX()
const socket = udx.createSocket()
socket.bind(ownPort, '127.0.0.1')
const stream = udx.createStream(own)
const hash = createHash('sha256')
const tell = (line) => process.stdout.write(JSON.stringify(line) + '\n')
const block = Buffer.alloc(65536)
for (let i = 0; i < block.length; i++) block[i] = (7 * i + (i >> 8)) & 255

let read = 0
let mtu = 0
let begun = 0n
let ended = false
stream.on('message', (data) => stream.trySend(data))
stream.on('error', (error) => tell({ error: error.message }))
stream.on('close', () => {
  const { user, system } = process.cpuUsage()
  const seconds = begun ? Number(process.hrtime.bigint() - begun) / 1e9 : 0
  tell({ read, sha256: hash.digest('hex'), ended, mtu, seconds, cpu: (user + system) / 1e6 })
  setTimeout(() => process.exit(0), 200)
})
stream.on('data', (data) => {
  begun = begun || process.hrtime.bigint()
  read += data.length
  hash.update(data)
  mtu = stream.mtu
  if (echo) stream.write(data)
})
stream.on('end', () => { ended = true; if (echo) stream.end() })
stream.connect(socket, peer, peerPort, '127.0.0.1')
tell({ port: socket.address().port })

let sent = 0
function send () {
  begun = begun || process.hrtime.bigint()
  while (sent < size) {
    const piece = size - sent < block.length ? block.subarray(0, size - sent) : block
    sent += piece.length
    mtu = stream.mtu
    if (!stream.write(piece)) return stream.once('drain', send)
  }
  stream.end()
}
if (!echo) send()
