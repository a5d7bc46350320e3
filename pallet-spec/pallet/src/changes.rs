//! Changes of the draw tables that wait for their block: state changes at once, the tables `SeedDelay` blocks later
//! (pallet-spec/README.md section 5).

use crate::{
    draw::hoster_table, types::*, Changes, Config, Copies, Error, HosterCount, HosterDraws, HosterSlots, Hosters,
    OfferChanges, Pallet, Peers,
};
use frame_support::{ensure, traits::Defensive};
use sp_runtime::{AccountId32, DispatchResult};

impl Change {
    /// Whether an account makes it of an offer of its own, as often as it pays for it.
    pub(crate) fn is_offer(&self) -> bool {
        match self {
            Change::HosterOffered { .. }
            | Change::HosterWithdrawn { .. }
            | Change::HosterReleased { .. }
            | Change::EncoderOffered { .. }
            | Change::EncoderWithdrawn { .. }
            | Change::EncoderReleased { .. } => true,
            Change::Reputation { .. } | Change::Declined { .. } | Change::Confirmed { .. } | Change::JobLeft { .. } => {
                false
            },
        }
    }
}

impl<T: Config> Pallet<T> {
    /// What a call changes acts in block now + SeedDelay. Offers leave room for what has a deadline.
    pub(crate) fn schedule(change: Change) -> DispatchResult {
        let block = Self::now().saturating_add(Self::times().seed_delay);
        let offer = change.is_offer();
        let offers = OfferChanges::<T>::get(block);
        ensure!(!offer || offers < MAX_OFFER_CHANGES, Error::<T>::TooManyChanges);
        Changes::<T>::try_append(block, change).map_err(|()| Error::<T>::TooManyChanges)?;
        if offer {
            OfferChanges::<T>::insert(block, offers.saturating_add(1));
        }
        Ok(())
    }

    /// The changes that are due in this block, in the order in which they came.
    pub(crate) fn apply_changes() -> u32 {
        let due = Changes::<T>::take(Self::now());
        OfferChanges::<T>::remove(Self::now());
        let count = due.len() as u32;
        due.into_iter().for_each(Self::apply);
        count
    }

    fn apply(change: Change) {
        match change {
            Change::HosterOffered { account, capacity, collateral, ask_disk, ask_receiving, region } => {
                Self::draw_hoster(&account, |draw| {
                    draw.open = true;
                    draw.capacity = capacity;
                    draw.collateral = collateral;
                    draw.ask_disk = ask_disk;
                    draw.ask_receiving = ask_receiving;
                    draw.region = region;
                })
            },
            Change::HosterWithdrawn { account } => Self::draw_hoster(&account, |draw| draw.open = false),
            Change::HosterReleased { account } => Self::apply_released(account),
            Change::EncoderOffered { account, bond, ask } => Self::draw_encoder(&account, |draw| {
                draw.open = true;
                draw.bond = bond;
                draw.ask = ask;
            }),
            Change::EncoderWithdrawn { account } => Self::draw_encoder(&account, |draw| draw.open = false),
            Change::EncoderReleased { account } => Self::draw_encoder(&account, |draw| draw.bond = 0),
            Change::Reputation { account, reputation } => Self::draw_reputation(&account, reputation),
            Change::Declined { account, bytes, plan } => {
                Self::draw_hoster(&account, |draw| draw.used = draw.used.saturating_sub(bytes));
                Self::need_hoster(plan);
            },
            Change::JobLeft { account } => Self::draw_encoder(&account, |draw| draw.jobs = draw.jobs.saturating_sub(1)),
            Change::Confirmed { copy, sectors, encoder } => Self::apply_confirmed(copy, sectors, encoder),
        }
    }

    /// Who left hosting leaves the draw table, too, and its slot to others; unless it came back meanwhile.
    fn apply_released(account: AccountId32) {
        if Hosters::<T>::get(&account).is_some_and(|hoster| hoster.open) {
            return Self::draw_hoster(&account, |draw| draw.collateral = 0);
        }
        let Some(draw) = HosterDraws::<T>::take(&account) else { return };
        if let Some(slot) = draw.slot {
            hoster_table::<T>().free(slot);
            HosterSlots::<T>::remove(slot);
        }
        HosterCount::<T>::mutate(|count| *count = count.saturating_sub(1));
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
