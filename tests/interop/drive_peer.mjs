// What people keep in hypercores: a Hyperdrive, a Hyperbee and an Autobase of two writers, all served on one port.
// node drive_peer.mjs DIRECTORY -> a line of JSON: the port, the swarm key, and each core with the digest of its blocks
import crypto from 'node:crypto'
import net from 'node:net'
import path from 'node:path'
import SecretStream from '@hyperswarm/secret-stream'
import Autobase from 'autobase'
import Corestore from 'corestore'
import Hyperbee from 'hyperbee'
import Hyperdrive from 'hyperdrive'

const directory = process.argv[2]
const store = new Corestore(path.join(directory, 'one'))
const other = new Corestore(path.join(directory, 'two'))
const cores = {}

async function keep (name, core) {
  await core.ready()
  const digest = crypto.createHash('sha256')
  for (let index = 0; index < core.length; index++) digest.update(await core.get(index, { valueEncoding: 'binary' }))
  cores[name] = {
    key: core.key.toString('hex'),
    length: core.length,
    byte_length: core.byteLength,
    signers: core.manifest ? core.manifest.signers.length : 1,
    sha256: digest.digest('hex')
  }
}

const drive = new Hyperdrive(store.namespace('drive'))
await drive.ready()
for (let number = 0; number < 12; number++) {
  await drive.put(`/folder ${number}/ünïcode-${number}.bin`, crypto.randomBytes(20000 + number * 7000))
}
await keep('drive', drive.core)
await keep('blobs', (await drive.getBlobs()).core)

const bee = new Hyperbee(store.get({ name: 'bee' }), { keyEncoding: 'utf-8', valueEncoding: 'json' })
await bee.ready()
const batch = bee.batch()
for (let number = 0; number < 500; number++) await batch.put('key' + number, { number })
await batch.flush()
await keep('bee', bee.core)

const options = {
  open: (found) => found.get('view', { valueEncoding: 'json' }),
  apply: async (nodes, view, base) => {
    for (const { value } of nodes) {
      if (value.add) await base.addWriter(Buffer.from(value.add, 'hex'), { indexer: true })
      else await view.append(value)
    }
  },
  valueEncoding: 'json',
  ackInterval: 50
}
const one = new Autobase(store.namespace('auto'), null, options)
await one.ready()
const two = new Autobase(other.namespace('auto'), one.key, options)
await two.ready()
const left = store.replicate(true)
const right = other.replicate(false)
for (const stream of [left, right]) stream.on('error', () => {})
left.pipe(right).pipe(left)
await one.append({ add: two.local.key.toString('hex') })
while (!two.writable) {
  await two.update()
  await new Promise((resolve) => setTimeout(resolve, 20))
}
// A part that both have signed is enough: Autobase can come to rest, for a while, before all is signed.
for (let number = 0; number < 10 || one.view.signedLength === 0; number++) {
  await one.append({ one: number })
  await two.append({ two: number })
  await new Promise((resolve) => setTimeout(resolve, 20))
}
const writer = one.local.key
const system = one.system.core.key
await one.close() // it would go on acknowledging, so that the cores grow while they are told of
await two.close()
await keep('writer', store.get({ key: writer, valueEncoding: 'binary' }))
await keep('system', store.get({ key: system, valueEncoding: 'binary' }))

const pair = SecretStream.keyPair()
const server = net.createServer((socket) => {
  socket.setNoDelay(true)
  const stream = new SecretStream(false, socket, { keyPair: pair })
  stream.on('error', () => {})
  store.replicate(stream)
})
server.listen(0, '127.0.0.1', () => {
  console.log(JSON.stringify({ port: server.address().port, key: pair.publicKey.toString('hex'), cores }))
})
