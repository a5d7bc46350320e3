// What polkadot-api does with a chain by chainHead_v1 alone, each finding as one line of JSON: {"step": ..., "found": ...}.
// Its way over the older methods, and its repairs of events in a wrong order, are left out: `middleware` only listens.
import { Keyring } from '@polkadot/api'
import { createClient } from 'polkadot-api'
import { getPolkadotSigner } from 'polkadot-api/signer'
import { getWsRawProvider } from 'polkadot-api/ws'
import { firstValueFrom, filter, take, toArray } from 'rxjs'
import WebSocket from 'ws'

const [url] = process.argv.slice(2)
const UNIT = 10n ** 12n
const plain = (key, value) => (typeof value === 'bigint' ? value.toString() : value)
const tell = (step, found) => console.log(JSON.stringify({ step, found }, plain))

const asked = new Set()
const listening = (base) => (...args) => {
  const inner = base(...args)
  return {
    ...inner,
    send: (message) => {
      asked.add((typeof message === 'string' ? JSON.parse(message) : message).method)
      return inner.send(message)
    }
  }
}
const client = createClient(getWsRawProvider(url, { websocketClass: WebSocket, middleware: listening }))
const api = client.getUnsafeApi()

const ring = new Keyring({ type: 'sr25519' })
const charlie = ring.addFromUri('//Charlie')
const target = ring.addFromUri('//papi')
const signer = getPolkadotSigner(charlie.publicKey, 'Sr25519', (message) => charlie.sign(message))
const transfer = (value) =>
  api.tx.Balances.transfer_keep_alive({ dest: { type: 'Id', value: target.address }, value })

const first = await client.getFinalizedBlock()
tell('finalized', first.number >= 0)
tell('spec', (await client.getChainSpecData()).name)
tell('constant', await api.constants.Balances.ExistentialDeposit())
tell('account', (await api.query.System.Account.getValue(charlie.address)).data.free > UNIT)
const entries = await api.query.System.Account.getEntries()
tell('entries', [entries.length, entries.every(({ value }) => value.providers >= 0)])
const fee = await transfer(UNIT).getEstimatedFees(charlie.address)
tell('fee', fee > 0n)

const done = await transfer(UNIT).signAndSubmit(signer)
tell('submit', { ok: done.ok, names: done.events.map(({ type, value }) => `${type}.${value.type}`) })
const states = await firstValueFrom(
  api.tx.System.remark({ remark: new Uint8Array([1, 2]) }).signSubmitAndWatch(signer).pipe(toArray())
)
tell('states', states.map(({ type, found }) => (found === undefined ? type : `${type} ${found}`)))
const row = []
for (let count = 0; count < 3; count++) row.push((await transfer(UNIT).signAndSubmit(signer)).ok)
tell('row', row)
const failed = await transfer(10n ** 19n).signAndSubmit(signer)
tell('fails', { ok: failed.ok, error: failed.dispatchError?.value?.type ?? failed.dispatchError?.type })
try {
  await transfer(UNIT).signAndSubmit(signer, { nonce: 0 })
  tell('stale', null)
} catch (error) {
  tell('stale', JSON.stringify(error.error ?? error.message))
}

const numbers = await firstValueFrom(
  client.finalizedBlock$.pipe(filter(({ number }) => number > first.number), take(3), toArray())
)
tell('heads', numbers.map(({ number }) => number))
tell('best', (await firstValueFrom(client.bestBlocks$)).length)
tell('body', (await client.getBlockBody((await client.getFinalizedBlock()).hash)).length)
tell('runtime api', await api.apis.AccountNonceApi.account_nonce(charlie.address))
tell('balance', (await api.query.System.Account.getValue(target.address)).data.free)
tell('asked', [...asked].sort())
client.destroy()
process.exit(0)
