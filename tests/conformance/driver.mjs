// What @polkadot/api does with a chain, each finding as one line of JSON: {"step": ..., "found": ...}.
import { ApiPromise, Keyring, WsProvider } from '@polkadot/api'

const [url] = process.argv.slice(2)
const UNIT = 10n ** 12n
const tell = (step, found) => console.log(JSON.stringify({ step, found }))

const watch = (transaction, signer, options = {}) =>
  new Promise((resolve, reject) => {
    const statuses = []
    transaction
      .signAndSend(signer, options, (result) => {
        statuses.push(result.status.type)
        if (result.isError) reject(new Error(`status ${result.status.type}`))
        if (!result.status.isFinalized) return
        const names = result.events.map(({ event }) => `${event.section}.${event.method}`)
        const error = result.dispatchError
        resolve({
          statuses,
          names,
          index: result.txIndex,
          error: error ? (error.isModule ? error.registry.findMetaError(error.asModule).name : error.type) : null
        })
      })
      .catch(reject)
  })

const api = await ApiPromise.create({ provider: new WsProvider(url), noInitWarn: true })
tell('connect', {
  genesis: api.genesisHash.toHex(),
  metadata: api.runtimeMetadata.version,
  spec: api.runtimeVersion.specName.toString(),
  chain: (await api.rpc.system.chain()).toString()
})
tell('constant', api.consts.balances.existentialDeposit.toString())

const ring = new Keyring({ type: 'sr25519' })
const dave = ring.addFromUri('//Dave')
const eve = ring.addFromUri('//Eve')
const edwards = new Keyring({ type: 'ed25519' }).addFromUri('//Dave')
const target = ring.addFromUri('//conformance')

tell('map', (await api.query.system.account(dave.address)).data.free.toBigInt() > UNIT)
const accounts = await api.query.system.account.entries()
const pages = []
for (let start; ;) {
  const page = await api.query.system.account.entriesPaged({ args: [], pageSize: 2, startKey: start })
  if (page.length === 0) break
  pages.push(page.length)
  start = page[page.length - 1][0].toHex()
}
tell('paged', { entries: accounts.length, pages })
tell('multi', (await api.query.system.account.multi([dave.address, eve.address])).map((one) => one.nonce.toNumber()))

const heads = []
const stopHeads = await api.rpc.chain.subscribeFinalizedHeads((header) => heads.push(header.number.toNumber()))
const balances = []
const stopBalances = await api.query.system.account(target.address, (account) => {
  balances.push(account.data.free.toString())
})

tell('fund', await watch(api.tx.balances.transferKeepAlive(edwards.address, 100n * UNIT), dave))
for (const [scheme, signer] of [['sr25519', dave], ['ed25519', edwards]]) {
  for (const [name, options] of [['immortal', { era: 0 }], ['mortal', { era: 64 }]]) {
    tell(`submit ${scheme} ${name}`, await watch(api.tx.balances.transferKeepAlive(target.address, UNIT), signer, options))
  }
}
tell('bad origin', await watch(api.tx.balances.forceSetBalance(target.address, 1n), eve))
tell('require sudo', await watch(api.tx.sudo.sudo(api.tx.system.remark('0x00')), eve))
try {
  await api.tx.system.remark('0x01').signAndSend(dave, { nonce: 0 })
  tell('stale', null)
} catch (error) {
  tell('stale', { code: error.code, message: error.message })
}
const info = await api.tx.system.remark('0x0102').paymentInfo(eve)
tell('fee', { partial: info.partialFee.toString(), kind: info.class.toString() })

const hash = await api.rpc.chain.getFinalizedHead()
const block = await api.rpc.chain.getBlock(hash)
tell('block', {
  same: block.block.header.hash.toHex() === hash.toHex(),
  first: block.block.extrinsics.slice(0, 1).map(({ method }) => `${method.section}.${method.method}`)
})
const at = await api.at(hash)
tell('events at', (await at.query.system.events()).length > 0)
tell('runtime api', (await api.call.accountNonceApi.accountNonce(eve.address)).toNumber())
const proof = await api.rpc.state.getReadProof([api.query.system.account.key(dave.address)], hash)
tell('proof', proof.proof.length > 0)
const trial = api.tx.system.remark('0x03')
await trial.signAsync(eve, { era: 0 })
tell('dry run', (await api.rpc.system.dryRun(trial.toHex())).toHuman())
tell('peer', (await api.rpc.system.localPeerId()).toString().slice(0, 8))
const row = []
for (let count = 0; count < 7; count++) {
  const nonce = await api.rpc.system.accountNextIndex(eve.address)
  row.push(await api.tx.system.remark('0x04').signAndSend(eve, { nonce }))
}
tell('row', new Set(row.map(String)).size)
tell('derived', (await api.derive.balances.all(eve.address)).freeBalance.toBigInt() > UNIT)
stopHeads()
stopBalances()
tell('heads', heads)
tell('balances', balances)
await api.disconnect()
process.exit(0)
