// Accounts of polkadot-js, as one line of JSON each: keyring.mjs open FILE PASSPHRASE TEXT | make FILE PASSPHRASE PHRASE
import { readFileSync, writeFileSync } from 'node:fs'
import { Keyring } from '@polkadot/keyring'
import { u8aToHex } from '@polkadot/util'
import { cryptoWaitReady } from '@polkadot/util-crypto'

const [what, file, passphrase, text] = process.argv.slice(2)
await cryptoWaitReady()
const ring = new Keyring({ type: 'sr25519', ss58Format: 42 })
if (what === 'make') {
  const pair = ring.addFromMnemonic(text, { name: 'made by polkadot-js' })
  writeFileSync(file, JSON.stringify(pair.toJson(passphrase)), { mode: 0o600 })
  console.log(JSON.stringify({ address: pair.address }))
} else {
  const pair = ring.addFromJson(JSON.parse(readFileSync(file, 'utf8')))
  let wrong = null
  try {
    pair.decodePkcs8('not it')
  } catch (error) {
    wrong = error.message
  }
  pair.decodePkcs8(passphrase)
  console.log(JSON.stringify({ address: pair.address, name: pair.meta.name, wrong, signature: u8aToHex(pair.sign(text)) }))
}
