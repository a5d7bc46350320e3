//! Peers and their offers: registration, hosting, encoding, attesting, withdrawal and release
//! (pallet-spec/README.md sections 2, 10, 11 and 14).

use crate::{
    crypto::{bind_statement, verify, Refused},
    draw::collateral_due,
    types::*,
    Attesters, Config, EncoderCount, EncoderDraws, Encoders, Error, Event, HoleCount, Holes, HosterCount, HosterDraws,
    Hosters, Keys, Pallet, Peers, SlotCount, Slots,
};
use frame_support::{ensure, traits::Defensive};
use sp_core::H256;
use sp_runtime::{AccountId32, DispatchResult, SaturatedConversion};

/// Whether it is at most three characters of a geohash.
pub(crate) fn is_region(region: &Region) -> bool {
    region.iter().all(|c| b"0123456789bcdefghjkmnpqrstuvwxyz".contains(c))
}

impl<T: Config> Pallet<T> {
    /// The hash of block 0, which every statement names.
    pub(crate) fn genesis() -> H256 {
        frame_system::Pallet::<T>::block_hash(0u32.saturated_into::<frame_system::pallet_prelude::BlockNumberFor<T>>())
    }

    /// Checks a signature; the error names what is wrong.
    pub(crate) fn ensure_signed_by(signature: &Signature, message: &[u8], key: &Key) -> DispatchResult {
        verify(signature, message, key).map_err(|refused| match refused {
            Refused::SmallOrder => Error::<T>::SmallOrderKey.into(),
            Refused::Invalid => Error::<T>::BadSignature.into(),
        })
    }

    pub(crate) fn do_register_peer(
        account: AccountId32,
        swarm_key: Key,
        statement_key: Key,
        swarm_signature: Signature,
        statement_signature: Signature,
    ) -> DispatchResult {
        ensure!(!Peers::<T>::contains_key(&account), Error::<T>::AlreadyAPeer);
        let bound = |key: &Key| Keys::<T>::contains_key(key);
        let known = swarm_key == statement_key || bound(&swarm_key) || bound(&statement_key);
        ensure!(!known, Error::<T>::KeyBound);
        let message = bind_statement(Self::genesis(), &account, &swarm_key, &statement_key);
        Self::ensure_signed_by(&swarm_signature, &message, &swarm_key)?;
        Self::ensure_signed_by(&statement_signature, &message, &statement_key)?;
        let fee = Self::amounts().peer_fee;
        Self::ensure_spendable(&account, fee)?;
        Self::burn(&account, fee)?;
        Keys::<T>::insert(swarm_key, &account);
        Keys::<T>::insert(statement_key, &account);
        let peer = Peer {
            swarm_key,
            statement_key,
            since: Self::now(),
            reputation: FIRST_REPUTATION,
            latency_ms: 0,
            kib_per_s: 0,
            served: 0,
            failed: 0,
        };
        Peers::<T>::insert(&account, peer);
        Self::deposit_event(Event::PeerRegistered { account, swarm_key, statement_key });
        Ok(())
    }

    /// Binds another swarm key to a peer. The one that it had stays bound: nobody can take it, and it cannot come back. The
    /// statement key stays for ever: whoever could change it could take back what it signed.
    pub(crate) fn do_rotate_swarm_key(account: AccountId32, swarm_key: Key, signature: Signature) -> DispatchResult {
        let mut peer = Self::ensure_peer(&account)?;
        ensure!(!Keys::<T>::contains_key(swarm_key), Error::<T>::KeyBound);
        let message = bind_statement(Self::genesis(), &account, &swarm_key, &peer.statement_key);
        Self::ensure_signed_by(&signature, &message, &swarm_key)?;
        let fee = Self::amounts().peer_fee;
        Self::ensure_spendable(&account, fee)?;
        Self::burn(&account, fee)?;
        Keys::<T>::insert(swarm_key, &account);
        let old_key = core::mem::replace(&mut peer.swarm_key, swarm_key);
        Peers::<T>::insert(&account, peer);
        Self::deposit_event(Event::SwarmKeyRotated { account, old_key, swarm_key });
        Ok(())
    }

    pub(crate) fn ensure_peer(account: &AccountId32) -> Result<Peer, Error<T>> {
        Peers::<T>::get(account).ok_or(Error::<T>::NotAPeer)
    }

    /// Changes the state of an account that once offered hosting: it has one for ever.
    pub(crate) fn with_hoster(account: &AccountId32, change: impl FnOnce(&mut Hoster)) {
        Hosters::<T>::mutate(account, |hoster| {
            if let Some(hoster) = hoster.as_mut().defensive() {
                change(hoster)
            }
        });
    }

    /// Changes the state of an account that once offered encoding: it has one for ever.
    pub(crate) fn with_encoder(account: &AccountId32, change: impl FnOnce(&mut Encoder)) {
        Encoders::<T>::mutate(account, |encoder| {
            if let Some(encoder) = encoder.as_mut().defensive() {
                change(encoder)
            }
        });
    }

    /// Changes a registered account: it is one for ever.
    pub(crate) fn with_peer(account: &AccountId32, change: impl FnOnce(&mut Peer)) {
        Peers::<T>::mutate(account, |peer| {
            if let Some(peer) = peer.as_mut().defensive() {
                change(peer)
            }
        });
    }

    /// Whether a hoster announced a pause that is not over: nothing new is asked of it, and nothing placed with it.
    pub(crate) fn paused(hoster: &Hoster) -> bool {
        let times = Self::times();
        let last = |from: Block| from.saturating_add(times.proof_window).saturating_add(times.pause);
        hoster.pause.is_some_and(|from| Self::now() <= last(from))
    }

    /// Makes a hoster's entry of the draw table; its slot follows with the offer.
    fn enter_hoster(account: &AccountId32, reputation: u32) -> Result<(), Error<T>> {
        let count = HosterCount::<T>::get();
        ensure!(count < MAX_ENTRIES, Error::<T>::TableFull);
        HosterCount::<T>::put(count.saturating_add(1));
        let draw = HosterDraw {
            slot: None,
            open: false,
            capacity: 0,
            used: 0,
            collateral: 0,
            reputation,
            ask_disk: 0,
            ask_receiving: 0,
            region: Default::default(),
        };
        HosterDraws::<T>::insert(account, draw);
        Ok(())
    }

    fn new_hoster() -> Hoster {
        Hoster {
            open: false,
            out_since: 0,
            capacity: 0,
            used: 0,
            stored: 0,
            copies: 0,
            records: 0,
            ask_disk: 0,
            ask_receiving: 0,
            acc: 0,
            last: 0,
            decline_era: 0,
            declines: 0,
            place: None,
            passed: 0,
            missed: 0,
            region: Default::default(),
            step: 0,
            pause: None,
        }
    }

    pub(crate) fn do_offer_hosting(
        account: AccountId32,
        capacity: u64,
        ask_disk: Balance,
        ask_receiving: Balance,
        region: Region,
    ) -> DispatchResult {
        let peer = Self::ensure_peer(&account)?;
        let collateral = Self::amounts().collateral;
        // Else who takes a copy for what its receiving pays, and drops it, gains.
        let receiving = ask_receiving <= MAX_AMOUNT && ask_receiving <= collateral / DROP_PART;
        ensure!(ask_disk <= MAX_AMOUNT && receiving, Error::<T>::AmountTooLarge);
        ensure!(is_region(&region), Error::<T>::BadRegion);
        // None at the first offer, and after a release.
        if !HosterDraws::<T>::contains_key(&account) {
            Self::enter_hoster(&account, peer.reputation)?;
        }
        let mut hoster = Hosters::<T>::get(&account).unwrap_or_else(Self::new_hoster);
        let capacity = capacity.max(hoster.used);
        let held = Self::held(&account, Role::Hosting);
        let missing = collateral_due(collateral, capacity).saturating_sub(held);
        Self::ensure_spendable(&account, missing)?;
        let collateral = held.saturating_add(missing);
        Self::schedule(Change::HosterOffered {
            account: account.clone(),
            capacity,
            collateral,
            ask_disk,
            ask_receiving,
            region: region.clone(),
        })?;
        Self::hold(&account, Role::Hosting, missing)?;
        hoster.open = true;
        hoster.capacity = capacity;
        hoster.ask_disk = ask_disk;
        hoster.ask_receiving = ask_receiving;
        hoster.region = region;
        Hosters::<T>::insert(&account, hoster);
        Self::deposit_event(Event::HostingOffered { account, capacity, ask_disk, ask_receiving, collateral });
        Ok(())
    }

    fn new_encoder(account: &AccountId32, reputation: u32) -> Result<Encoder, Error<T>> {
        let count = EncoderCount::<T>::get();
        ensure!(count < MAX_ENTRIES, Error::<T>::TableFull);
        EncoderCount::<T>::put(count.saturating_add(1));
        let draw = EncoderDraw { slot: None, open: false, jobs: 0, bond: 0, reputation, ask: 0 };
        EncoderDraws::<T>::insert(account, draw);
        Ok(Encoder {
            open: false,
            out_since: 0,
            jobs: 0,
            ask: 0,
            unreleased: 0,
            halves: 0,
            decline_era: 0,
            declines: 0,
            confirmed: 0,
        })
    }

    pub(crate) fn do_offer_encoding(account: AccountId32, ask: Balance) -> DispatchResult {
        let peer = Self::ensure_peer(&account)?;
        ensure!(ask <= MAX_AMOUNT, Error::<T>::AmountTooLarge);
        let mut encoder = match Encoders::<T>::get(&account) {
            Some(encoder) => encoder,
            None => Self::new_encoder(&account, peer.reputation)?,
        };
        let held = Self::held(&account, Role::Encoding);
        let missing = Self::amounts().encoder_bond.saturating_sub(held);
        Self::ensure_spendable(&account, missing)?;
        let bond = held.saturating_add(missing);
        Self::schedule(Change::EncoderOffered { account: account.clone(), bond, ask })?;
        Self::hold(&account, Role::Encoding, missing)?;
        encoder.open = true;
        encoder.ask = ask;
        Encoders::<T>::insert(&account, encoder);
        Self::deposit_event(Event::EncodingOffered { account, ask, bond });
        Ok(())
    }

    pub(crate) fn do_offer_attesting(account: AccountId32, ask: Balance, anchor: H256, slots: u32) -> DispatchResult {
        Self::ensure_peer(&account)?;
        let Amounts { attester_bond: bond, slot_fee, report_price, .. } = Self::amounts();
        // A plan pays at least as much for a report: no slot of a committee asks more than any plan pays.
        ensure!(ask <= report_price, Error::<T>::AmountTooLarge);
        let era = Self::era();
        let fresh = Attester { anchor, link_era: era, link: anchor, slots: Default::default() };
        let mut attester = Attesters::<T>::get(&account).unwrap_or_else(|| fresh.clone());
        if attester.anchor != anchor {
            attester.slots.iter().for_each(|slot| Self::renew_slot(*slot, era));
            attester = Attester { slots: attester.slots, ..fresh };
        }
        let total = bond.saturating_mul(slots.into());
        let fee = slot_fee.saturating_mul(slots.into());
        let fits = (attester.slots.len() as u64).saturating_add(slots.into()) <= u64::from(MAX_SLOTS);
        ensure!(fits, Error::<T>::BadSlotCount);
        Self::ensure_spendable(&account, fee.saturating_add(total))?;
        Self::burn(&account, fee)?;
        Self::hold(&account, Role::Attesting, total)?;
        for _ in 0..slots {
            let slot = Slot {
                account: account.clone(),
                ask,
                bond,
                taken: era,
                renewed: Default::default(),
                returned: None,
                empty: Default::default(),
            };
            let index = Self::take_slot(slot);
            attester.slots.try_push(index).map_err(|_| Error::<T>::BadSlotCount)?;
        }
        ensure!(!attester.slots.is_empty(), Error::<T>::BadSlotCount);
        let slots = attester.slots.len() as u32;
        Attesters::<T>::insert(&account, attester);
        Self::deposit_event(Event::AttestingOffered { account, ask, anchor, slots });
        Ok(())
    }

    /// The hole that was freed last, else a new place at the end.
    fn take_slot(slot: Slot) -> u32 {
        let holes = HoleCount::<T>::get();
        let last = holes.saturating_sub(1);
        let index = match Holes::<T>::take(last) {
            Some(index) => {
                HoleCount::<T>::put(last);
                index
            },
            None => {
                let end = SlotCount::<T>::get();
                SlotCount::<T>::put(end.saturating_add(1));
                end
            },
        };
        Slots::<T>::insert(index, slot);
        index
    }

    /// Counts a slot as taken in this era, too.
    fn renew_slot(index: u32, era: Era) {
        Slots::<T>::mutate(index, |slot| {
            let Some(slot) = slot.as_mut().defensive() else { return };
            if slot.renewed.last() == Some(&era) {
                return;
            }
            if slot.renewed.is_full() {
                slot.renewed.remove(0);
            }
            // There is room: one was removed if it was full.
            let _ = slot.renewed.try_push(era).defensive();
        });
    }

    pub(crate) fn do_withdraw_offer(account: AccountId32, role: Role) -> DispatchResult {
        match role {
            Role::Hosting => {
                let mut hoster = Hosters::<T>::get(&account).filter(|h| h.open).ok_or(Error::<T>::NoOffer)?;
                Self::schedule(Change::HosterWithdrawn { account: account.clone() })?;
                hoster.open = false;
                hoster.out_since = Self::now();
                Hosters::<T>::insert(&account, hoster);
            },
            Role::Encoding => {
                let mut encoder = Encoders::<T>::get(&account).filter(|e| e.open).ok_or(Error::<T>::NoOffer)?;
                Self::schedule(Change::EncoderWithdrawn { account: account.clone() })?;
                encoder.open = false;
                encoder.out_since = Self::now();
                Encoders::<T>::insert(&account, encoder);
            },
            Role::Attesting => {
                let mut attester =
                    Attesters::<T>::get(&account).filter(|a| !a.slots.is_empty()).ok_or(Error::<T>::NoOffer)?;
                core::mem::take(&mut attester.slots).into_iter().for_each(Self::give_back_slot);
                Attesters::<T>::insert(&account, attester);
            },
        }
        Self::deposit_event(Event::OfferWithdrawn { account, role });
        Ok(())
    }

    fn give_back_slot(index: u32) {
        let now = Self::now();
        Slots::<T>::mutate(index, |slot| {
            if let Some(slot) = slot.as_mut().defensive() {
                slot.returned = Some(now);
            }
        });
        let wait = Self::times().era.saturating_mul(KEEP_ERAS);
        Self::arm(Wait::Records, wait, index.into(), 1);
    }

    /// Gives back a slot that its account lost.
    pub(crate) fn take_back_slot(account: &AccountId32, index: u32) {
        Attesters::<T>::mutate(account, |attester| {
            if let Some(attester) = attester.as_mut().defensive() {
                attester.slots.retain(|slot| *slot != index);
            }
        });
        Self::give_back_slot(index);
        Self::deposit_event(Event::SlotTakenBack { account: account.clone(), slot: index });
    }

    /// A slot that was given back becomes a hole; its bond returns.
    pub(crate) fn free_slot(index: u32) {
        let Some(slot) = Slots::<T>::take(index).defensive() else { return };
        let amount = Self::unhold(&slot.account, Role::Attesting, slot.bond);
        let place = HoleCount::<T>::get();
        Holes::<T>::insert(place, index);
        HoleCount::<T>::put(place.saturating_add(1));
        Self::deposit_event(Event::SlotFreed { account: slot.account, slot: index, amount });
    }

    pub(crate) fn do_release(account: AccountId32, role: Role) -> DispatchResult {
        let eras = |count: u32| Self::times().era.saturating_mul(count);
        let (open, out_since, kept_until, bound, change) = match role {
            Role::Hosting => {
                let hoster = Hosters::<T>::get(&account).ok_or(Error::<T>::NoOffer)?;
                let change = Change::HosterReleased { account: account.clone() };
                (hoster.open, hoster.out_since, 0, hoster.records > 0 || hoster.step > 0, change)
            },
            Role::Encoding => {
                let encoder = Encoders::<T>::get(&account).ok_or(Error::<T>::NoOffer)?;
                let change = Change::EncoderReleased { account: account.clone() };
                // What it made may be reported for as long.
                let kept_until = match encoder.confirmed {
                    0 => 0,
                    confirmed => confirmed.saturating_add(eras(BOND_ERAS)),
                };
                (encoder.open, encoder.out_since, kept_until, encoder.jobs > 0 || encoder.halves > 0, change)
            },
            Role::Attesting => return Err(Error::<T>::NoOffer.into()),
        };
        ensure!(!open, Error::<T>::OfferOpen);
        let free_from = out_since.saturating_add(eras(KEEP_ERAS)).max(kept_until);
        ensure!(Self::now() >= free_from, Error::<T>::TooEarly);
        ensure!(!bound, Error::<T>::StillBound);
        Self::schedule(change)?;
        let amount = Self::unhold(&account, role, Balance::MAX);
        Self::deposit_event(Event::Released { account, role, amount });
        Ok(())
    }
}
