// A hypercore peer that a test drives: commands as JSON lines on stdin, answers and events as JSON lines on stdout.
// node peer.mjs 11|10 DIRECTORY

import { createRequire } from 'node:module'
import net from 'node:net'
import path from 'node:path'
import readline from 'node:readline'

const require = createRequire(import.meta.url)
const [, , version, directory] = process.argv
const Hypercore = require(version === '10' ? 'hypercore10' : 'hypercore')
const SecretStream = require('@hyperswarm/secret-stream')
const Protomux = require('protomux')

const keyPair = SecretStream.keyPair()
const cores = new Map()
const streams = new Set()
let store = null

const hex = (bytes) => Buffer.from(bytes).toString('hex')
const raw = (text) => Buffer.from(text, 'hex')
const tell = (line) => process.stdout.write(JSON.stringify(line) + '\n')

function info (core) {
  const { length, byteLength, fork, contiguousLength } = core
  const manifest = core.manifest ? core.manifest.version : null
  return { key: hex(core.key), discovery_key: hex(core.discoveryKey), length, byteLength, fork, contiguousLength, manifest, writable: core.writable }
}

function replicate (stream) {
  streams.add(stream)
  stream.on('close', () => streams.delete(stream))
  stream.on('error', (error) => tell({ event: 'stream-error', message: error.message }))
  stream.on('open', () => tell({ event: 'connection', key: hex(stream.remotePublicKey) }))
  if (store) store.replicate(stream)
  for (const core of cores.values()) core.replicate(stream)
}

// Falsify what this peer answers: a bit of the block, of a node of its proof, or of the head's signature.
const tampering = {
  value (data) { if (data.block?.value?.length) data.block = { ...data.block, value: flipped(data.block.value) } },
  node (data) {
    if (!data.block?.nodes.length) return
    const [first, ...rest] = data.block.nodes
    data.block = { ...data.block, nodes: [{ ...first, hash: flipped(first.hash) }, ...rest] }
  },
  signature (data) { if (data.upgrade) data.upgrade = { ...data.upgrade, signature: flipped(data.upgrade.signature, 10) } }
}

function flipped (bytes, at = 0) {
  const copy = Buffer.from(bytes)
  copy[at] ^= 1
  return copy
}

function tamper (core, kind) {
  core.on('peer-add', (peer) => {
    const send = peer.wireData.send
    peer.wireData.send = function (data) {
      const changed = { ...data }
      tampering[kind](changed)
      return send.call(this, changed)
    }
  })
}

const commands = {
  async core ({ name, key, compat, manifest, encryption, seed, prologue, push }) {
    const options = {}
    if (push) options.allowPush = options.pushOnly = true
    if (compat !== undefined) options.compat = compat
    if (seed) options.keyPair = SecretStream.keyPair(raw(seed))
    if (manifest !== undefined) {
      options.keyPair ??= SecretStream.keyPair()
      const signer = { signature: 'ed25519', publicKey: options.keyPair.publicKey }
      options.manifest = { version: manifest, hash: 'blake2b', quorum: 1, signers: [signer] }
      if (prologue) options.manifest.prologue = { hash: await cores.get(prologue).treeHash(), length: cores.get(prologue).length }
    }
    if (encryption) version === '10' ? (options.encryptionKey = raw(encryption)) : (options.encryption = { key: raw(encryption) })
    const core = new Hypercore(path.join(directory, name), key ? raw(key) : null, options)
    await core.ready()
    if (prologue) await core.core.copyPrologue(cores.get(prologue).state)
    cores.set(name, core)
    core.on('append', () => tell({ event: 'append', core: name, length: core.length }))
    core.on('truncate', () => tell({ event: 'truncate', core: name, length: core.length, fork: core.fork }))
    core.on('conflict', (length, fork) => tell({ event: 'conflict', core: name, length, fork }))
    core.on('verification-error', (error) => tell({ event: 'verification-error', core: name, message: error.message }))
    for (const stream of streams) core.replicate(stream)
    return info(core)
  },

  async store ({ names, append }) {
    const Corestore = require('corestore')
    store ??= new Corestore(path.join(directory, 'store'))
    await store.ready()
    const found = {}
    for (const name of names) {
      const core = store.get({ name })
      await core.ready()
      cores.set(name, core)
      for (const block of append) await core.append(Buffer.from(name + block))
      found[name] = info(core)
    }
    return found
  },

  async listen () {
    const server = net.createServer((socket) => {
      socket.setNoDelay(true)
      replicate(new SecretStream(false, socket, { keyPair }))
    })
    await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve))
    return { port: server.address().port, key: hex(keyPair.publicKey) }
  },

  async connect ({ port }) {
    const socket = net.connect(port, '127.0.0.1')
    socket.setNoDelay(true)
    replicate(new SecretStream(true, socket, { keyPair }))
    return {}
  },

  async disconnect () {
    for (const stream of streams) stream.destroy()
    return {}
  },

  async append ({ core, blocks, count, size }) {
    const many = blocks ? blocks.map(raw) : Array.from({ length: count }, (_, i) => Buffer.alloc(size, i % 251))
    await cores.get(core).append(many)
    return info(cores.get(core))
  },

  async truncate ({ core, length }) {
    await cores.get(core).truncate(length)
    return info(cores.get(core))
  },

  async clear ({ core, start, end }) {
    await cores.get(core).clear(start, end)
    return info(cores.get(core))
  },

  async info ({ core }) {
    return info(cores.get(core))
  },

  async tamper ({ core, kind }) {
    tamper(cores.get(core), kind)
    return {}
  },

  // Until the core is as long as that, and at that fork.
  async length ({ core, length, fork = 0 }) {
    const found = cores.get(core)
    while (found.length < length || found.fork < fork) {
      await new Promise((resolve) => {
        found.once('append', resolve)
        found.once('truncate', resolve)
        found.update({ wait: true }).then((changed) => changed && resolve(), resolve)
        setTimeout(resolve, 50)
      })
    }
    return info(found)
  },

  async download ({ core, start, end }) {
    await cores.get(core).download({ start, end }).done()
    return info(cores.get(core))
  },

  // Send blocks that nobody asked for, to all peers that allow it.
  async push ({ core, blocks }) {
    for (const index of blocks) await cores.get(core).core.replicator.push(index)
    return {}
  },

  // A live follower: everything that comes.
  async follow ({ core }) {
    cores.get(core).download({ start: 0, end: -1 })
    return {}
  },

  async get ({ core, index, options }) {
    const block = await cores.get(core).get(index, options)
    return { block: block === null ? null : hex(block) }
  },

  async has ({ core, start, end }) {
    const blocks = []
    for (let index = start; index < end; index++) if (await cores.get(core).has(index)) blocks.push(index)
    return { blocks }
  },

  async seek ({ core, bytes }) {
    const [index, offset] = await cores.get(core).seek(bytes)
    return { index, offset }
  },

  async hash ({ core, length }) {
    return { hash: hex(await cores.get(core).treeHash(length)) }
  },

  // A channel of any other protocol, which answers each message with the same.
  async echo ({ protocol, id }) {
    for (const stream of streams) {
      const channel = Protomux.from(stream).createChannel({ protocol, id: id ? raw(id) : null, onclose: () => tell({ event: 'echo-closed' }) })
      const message = channel.addMessage({ onmessage: (body) => message.send(body) })
      channel.open()
    }
    return {}
  }
}

readline.createInterface({ input: process.stdin }).on('line', async (line) => {
  const { id, command, ...values } = JSON.parse(line)
  try {
    tell({ id, answer: await commands[command](values) })
  } catch (error) {
    tell({ id, error: error.message })
  }
}).on('close', () => process.exit(0))

tell({ event: 'ready', version: require((version === '10' ? 'hypercore10' : 'hypercore') + '/package.json').version })
