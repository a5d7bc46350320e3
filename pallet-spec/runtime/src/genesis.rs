//! The genesis presets: `development` and `production` are patches of the default genesis.

use crate::{AccountId, Balance, RuntimeGenesisConfig, UNIT};
use alloc::{vec, vec::Vec};
use frame_support::build_struct_json_patch;
use pallet_datdot::types::{Amounts, Times};
use serde_json::Value;
use sp_core::crypto::AccountId32;
use sp_genesis_builder::PresetId;

/// What each development account has at first.
const ENDOWMENT: Balance = 1_000_000 * UNIT;

/// The public sr25519 keys of //Alice, //Bob, //Charlie, //Dave, //Eve and //Ferdie of the well-known development phrase.
const DEVELOPERS: [[u8; 32]; 6] = [
    hex_literal("d43593c715fdd31c61141abd04a99fd6822c8558854ccde39a5684e7a56da27d"),
    hex_literal("8eaf04151687736326c9fea17e25fc5287613693c912909cb226aa4794f26a48"),
    hex_literal("90b5ab205c6974c9ea841be688864633dc9ca8a357843eeacf2314649965fe22"),
    hex_literal("306721211d5404bd9da88e0204360a1a9ab8b87c66c1bc2fcdd37f3c2222cc20"),
    hex_literal("e659a7a1628cdd93febc04a4e0646ea20e9f5f0ce097d9a05290d4a9e054df4e"),
    hex_literal("1cbd2d43530a44705ad088af313e18f80b53ef16b36177cd4b77b846f2a5f07c"),
];

const fn hex_literal(text: &str) -> [u8; 32] {
    const fn digit(c: u8) -> u8 {
        match c {
            b'0'..=b'9' => c - b'0',
            b'a'..=b'f' => c - b'a' + 10,
            _ => panic!("not a hexadecimal digit"),
        }
    }
    let text = text.as_bytes();
    assert!(text.len() == 64);
    let mut out = [0; 32];
    let mut i = 0;
    while i < 32 {
        out[i] = digit(text[2 * i]) * 16 + digit(text[2 * i + 1]);
        i += 1;
    }
    out
}

fn development() -> Value {
    let accounts: Vec<AccountId> = DEVELOPERS.iter().map(|key| AccountId32::new(*key)).collect();
    build_struct_json_patch!(RuntimeGenesisConfig {
        balances: pallet_balances::GenesisConfig {
            balances: accounts.iter().cloned().map(|account| (account, ENDOWMENT)).collect(),
        },
        sudo: pallet_sudo::GenesisConfig { key: accounts.first().cloned() },
        dat_dot: pallet_datdot::GenesisConfig { times: Times::DEVELOPMENT, amounts: Amounts::DEFAULT },
    })
}

/// No account has money and nobody is sudo: whoever makes a chain adds both.
fn production() -> Value {
    build_struct_json_patch!(RuntimeGenesisConfig {
        dat_dot: pallet_datdot::GenesisConfig { times: Times::PRODUCTION, amounts: Amounts::DEFAULT },
    })
}

/// The JSON patch of a preset.
pub fn preset(id: &PresetId) -> Option<Vec<u8>> {
    let patch = match id.as_ref() {
        "development" => development(),
        "production" => production(),
        _ => return None,
    };
    serde_json::to_vec(&patch).ok()
}

pub fn presets() -> Vec<PresetId> {
    vec![PresetId::from("development"), PresetId::from("production")]
}
