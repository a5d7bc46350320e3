//! Changes of the draw tables that wait for their block: state changes at once, the tables `SeedDelay` blocks later
//! (pallet-spec/README.md section 5).

use crate::{types::*, Changes, Config, Copies, Error, Pallet, Peers};
use frame_support::traits::Defensive;
use sp_runtime::{AccountId32, DispatchResult};

impl<T: Config> Pallet<T> {
    /// What a call changes acts in block now + SeedDelay.
    pub(crate) fn schedule(change: Change) -> DispatchResult {
        let block = Self::now().saturating_add(Self::times().seed_delay);
        Changes::<T>::try_append(block, change).map_err(|()| Error::<T>::TooManyChanges.into())
    }

    /// The changes that are due in this block, in the order in which they came.
    pub(crate) fn apply_changes() -> u32 {
        let due = Changes::<T>::take(Self::now());
        let count = due.len() as u32;
        due.into_iter().for_each(Self::apply);
        count
    }

    fn apply(change: Change) {
        match change {
            Change::HosterOffered { account, capacity, collateral } => Self::draw_hoster(&account, |draw| {
                draw.open = true;
                draw.capacity = capacity;
                draw.collateral = collateral;
            }),
            Change::HosterWithdrawn { account } => Self::draw_hoster(&account, |draw| draw.open = false),
            Change::HosterReleased { account } => Self::draw_hoster(&account, |draw| draw.collateral = 0),
            Change::EncoderOffered { account, bond } => Self::draw_encoder(&account, |draw| {
                draw.open = true;
                draw.bond = bond;
            }),
            Change::EncoderWithdrawn { account } => Self::draw_encoder(&account, |draw| draw.open = false),
            Change::EncoderReleased { account } => Self::draw_encoder(&account, |draw| draw.bond = 0),
            Change::Reputation { account, reputation } => Self::draw_reputation(&account, reputation),
            Change::Declined { account, bytes, plan } => {
                Self::draw_hoster(&account, |draw| draw.used = draw.used.saturating_sub(bytes));
                Self::need_hoster(plan);
            },
            Change::Confirmed { copy, sectors, encoder } => Self::apply_confirmed(copy, sectors, encoder),
        }
    }

    fn apply_confirmed(id: CopyId, sectors: u64, encoder: Option<AccountId32>) {
        if let Some(mut copy) = Copies::<T>::get(id).filter(|copy| copy.state != CopyState::Ended) {
            Self::table_copy(id, &mut copy, sectors);
            Copies::<T>::insert(id, copy);
        }
        if let Some(encoder) = encoder {
            Self::draw_encoder(&encoder, |draw| draw.jobs = draw.jobs.saturating_sub(1));
        }
    }

    fn draw_reputation(account: &AccountId32, reputation: u32) {
        Self::draw_hoster(account, |draw| draw.reputation = reputation);
        Self::draw_encoder(account, |draw| draw.reputation = reputation);
    }

    /// R of a registered account.
    pub(crate) fn reputation(account: &AccountId32) -> u32 {
        Peers::<T>::get(account).defensive().map_or(MIN_REPUTATION, |peer| peer.reputation)
    }

    fn write_reputation(account: &AccountId32, reputation: u32) {
        Self::with_peer(account, |peer| peer.reputation = reputation);
    }

    /// By a call: the draw tables follow later.
    pub(crate) fn set_reputation(account: &AccountId32, reputation: u32) -> DispatchResult {
        Self::write_reputation(account, reputation);
        Self::schedule(Change::Reputation { account: account.clone(), reputation })
    }

    /// By `on_initialize`: the draw tables follow at once.
    pub(crate) fn set_reputation_now(account: &AccountId32, reputation: u32) {
        Self::write_reputation(account, reputation);
        Self::draw_reputation(account, reputation);
    }
}
