//! What holds of the state after every block, whatever came before: sums, counts, tables and money agree.

use crate::{
    draw::{copy_table, encoder_table, encoder_weight, hoster_table, hoster_weight},
    types::*,
    Changes, Config, Copies, CopySlots, DeadlineQueues, Deadlines, EncoderDraws, EncoderNodes, Encoders, HoleCount,
    Holes, HosterCount, HosterDraws, HosterNodes, HosterSlots, Hosters, Keys, Moduli, NeedQueue, Needs, OfferChanges,
    Operators, Pallet, Peers, Plans, ReportAt, Reports, Segments, SlotCount, Slots, StorageChallenges, Storing,
    StoringCount,
};
use alloc::{collections::BTreeMap, vec::Vec};
use sp_runtime::{AccountId32, TryRuntimeError};

/// Amounts at which nothing is due.
const FREE: Amounts = Amounts { collateral: 0, encoder_bond: 0, ..Amounts::DEFAULT };

type Checked = Result<(), TryRuntimeError>;

fn holds(rule: bool, name: &'static str) -> Checked {
    if rule {
        Ok(())
    } else {
        Err(TryRuntimeError::Other(name))
    }
}

/// Sums over live copies and kept records, of one hoster or one encoder.
#[derive(Default)]
struct Sums {
    used: u64,
    stored: u64,
    copies: u32,
    records: u32,
    jobs: u32,
    unreleased: Balance,
    halves: u32,
}

impl<T: Config> Pallet<T> {
    pub(crate) fn check_state() -> Checked {
        Self::check_peers()?;
        let copies: BTreeMap<CopyId, Copy> = Copies::<T>::iter().collect();
        let sums = Self::sums(&copies);
        Self::check_plans(&copies)?;
        Self::check_copies(&copies)?;
        Self::check_hosters(&sums)?;
        Self::check_encoders(&sums)?;
        Self::check_slots()?;
        Self::check_storing()?;
        Self::check_needs()?;
        Self::check_entries()?;
        Self::check_changes()?;
        Self::check_queues()
    }

    /// A peer's keys are bound to it, as are those that it had, and every bound key is some peer's.
    fn check_peers() -> Checked {
        for account in Operators::<T>::iter_keys() {
            holds(Peers::<T>::contains_key(account), "who has an operator is a peer")?;
        }
        for (account, peer) in Peers::<T>::iter() {
            let own = |key| Keys::<T>::get(key).as_ref() == Some(&account);
            holds(peer.swarm_key != peer.statement_key, "a peer has two keys")?;
            holds(own(peer.swarm_key) && own(peer.statement_key), "a peer's keys are bound to it")?;
        }
        holds(Keys::<T>::iter_values().all(|account| Peers::<T>::contains_key(account)), "a bound key is a peer's")
    }

    fn sums(copies: &BTreeMap<CopyId, Copy>) -> BTreeMap<AccountId32, Sums> {
        let mut sums: BTreeMap<AccountId32, Sums> = BTreeMap::new();
        for copy in copies.values() {
            let hoster = sums.entry(copy.hoster.clone()).or_default();
            hoster.records += 1;
            if copy.state != CopyState::Ended {
                hoster.used += copy.sectors * SECTOR;
                hoster.stored += copy.stored;
                hoster.copies += 1;
            }
            if let Some(encoder) = &copy.encoder {
                let encoder = sums.entry(encoder.clone()).or_default();
                encoder.jobs += 1;
                encoder.unreleased += copy.fee;
            }
        }
        for segment in Segments::<T>::iter_values().filter(|segment| segment.half > 0) {
            let encoder = sums.entry(segment.encoder).or_default();
            encoder.unreleased += segment.half;
            encoder.halves += 1;
        }
        sums
    }

    fn check_plans(copies: &BTreeMap<CopyId, Copy>) -> Checked {
        for (id, plan) in Plans::<T>::iter() {
            let own: Vec<_> = copies.iter().filter(|(_, copy)| copy.plan == id).collect();
            let reserved = own.iter().fold(0u128, |sum, (_, copy)| sum + copy.reserve);
            holds(plan.reserved == reserved, "a plan's reserves are those of its copies")?;
            holds(Self::pot_value(id) >= reserved, "a pot holds what its copies reserve")?;
            holds(plan.records as usize == own.len(), "a plan counts its copies' records")?;
            let live: Vec<CopyId> =
                own.iter().filter(|(_, c)| c.state != CopyState::Ended).map(|(id, _)| **id).collect();
            let mut listed = plan.live.to_vec();
            listed.sort_unstable();
            holds(listed == live, "a plan lists its live copies")?;
            let leaving = own.iter().filter(|(_, c)| c.state != CopyState::Ended && c.leaving > 0).count();
            holds(leaving == usize::from(plan.leaving), "a plan counts its leaving copies")?;
            holds(live.len() - leaving <= usize::from(plan.terms.replicas), "no more copies stay than replicas")?;
            let stores = own.iter().any(|(_, c)| c.state != CopyState::Ended && c.stored > 0);
            holds(plan.confirmed == stores, "a plan is confirmed while a live copy stores something")?;
            holds(plan.mark <= plan.burned, "no more is marked than burned")?;
            let bytes = plan.ranges.iter().fold(0, |sum, range| sum + range.bytes);
            holds(bytes == plan.bytes && bytes.div_ceil(SECTOR) == plan.sectors, "a plan's bytes are its ranges'")?;
            holds(plan.state == PlanState::Live || live.is_empty(), "an ended plan has no live copy")?;
            let shares =
                crate::Shares::<T>::iter_prefix_values(id).fold((0, 0u128), |(n, s), share| (n + 1, s + share));
            holds(shares.0 == plan.donors, "a plan counts its donors")?;
            holds(shares.1 <= plan.shares, "donors hold no more than all shares")?;
        }
        Ok(())
    }

    fn check_copies(copies: &BTreeMap<CopyId, Copy>) -> Checked {
        for (id, copy) in copies {
            let stored = copy.segments.iter().fold(0, |sum, part| sum + part.sectors);
            let rest = (copy.bytes - copy.stored_bytes).div_ceil(SECTOR);
            // An ended copy's segments go one piece after the other.
            let ended = copy.state == CopyState::Ended;
            holds(ended || stored == copy.stored, "a copy's segments add up to what is stored")?;
            holds(copy.sectors == copy.stored + rest, "a copy's sectors are those stored and those of the rest")?;
            holds(copy.state != CopyState::Active || copy.stalls == 0, "an active copy has no stall")?;
            holds(
                copy.leaving <= 2 && (copy.active_since.is_some() || copy.leaving < 2),
                "who leaves has a whole copy",
            )?;
            let drawn = matches!(copy.state, CopyState::Assigned | CopyState::Begun | CopyState::Encoding);
            holds(copy.encoder.is_some() == drawn, "a copy has an encoder exactly while it needs one")?;
            let begun = matches!(copy.state, CopyState::Begun | CopyState::Encoding);
            holds(
                copy.state == CopyState::Ended || copy.current.is_some() == begun,
                "a current segment while encoding",
            )?;
            holds(copy.state != CopyState::Active || copy.stored_bytes == copy.bytes, "an active copy is whole")?;
            holds(!copy.invalid || ended || copy.dropping, "an invalid copy ends")?;
            holds(copy.tabled <= copy.stored, "no more sectors are drawn than stored")?;
            if let Some(slot) = copy.slot {
                holds(CopySlots::<T>::get(&copy.hoster, slot) == Some(*id), "a copy stands in its slot")?;
            }
            let mut halves = 0u128;
            for segment in copy.segments.iter().map(|part| part.segment).chain(copy.current) {
                let found = Segments::<T>::get(segment);
                holds(found.is_some() && Moduli::<T>::contains_key(segment), "a copy's segments have records")?;
                halves += found.map_or(0, |segment| segment.half);
            }
            holds(halves == copy.halves, "a copy's second halves are those of its segments")?;
        }
        Ok(())
    }

    /// Weight of a slot of a table of depth 3.
    fn leaf_weight(node: impl Fn(u32) -> Option<Node>, slot: u32) -> u64 {
        let (top, middle, low) = (slot >> 12, slot >> 6 & 63, slot & 63);
        let id = 64 * (1 + top) + 1 + middle;
        node(id).and_then(|node| node.sums.get(low as usize).copied()).unwrap_or(0)
    }

    fn check_hosters(sums: &BTreeMap<AccountId32, Sums>) -> Checked {
        let none = Sums::default();
        let mut total = 0;
        for (account, hoster) in Hosters::<T>::iter() {
            let own = sums.get(&account).unwrap_or(&none);
            holds(hoster.used == own.used, "a hoster's used bytes are its live copies'")?;
            holds(hoster.stored == own.stored, "a hoster's stored sectors are its live copies'")?;
            holds(hoster.copies == own.copies && hoster.records == own.records, "a hoster counts its copies")?;
            holds(hoster.used <= hoster.capacity, "a hoster uses no more than it offered")?;
            Self::check_ladder(&account, hoster.step)?;
            let tabled = copy_table::<T>(&account).total();
            let slots = CopySlots::<T>::iter_prefix_values(&account);
            let drawn = slots.filter_map(Copies::<T>::get).fold(0, |sum, copy| sum + copy.tabled);
            holds(tabled == drawn, "a copies table sums its copies")?;
            holds(hoster.place.is_some() == (tabled > 0), "who stores something is listed")?;
            if let Some((slot, draw)) = HosterDraws::<T>::get(&account).and_then(|draw| Some((draw.slot?, draw))) {
                let weight = Self::leaf_weight(HosterNodes::<T>::get, slot);
                // Amounts may have changed since the entry did: its weight is 0 or full by those of then.
                holds(weight == 0 || weight == hoster_weight(&draw, &FREE), "a hoster's weight is that of its entry")?;
                total += weight;
            }
        }
        holds(hoster_table::<T>().total() == total, "the table of hosters sums their weights")
    }

    /// Who is overdue has an open challenge, and each challenge asks for live copies of its hoster.
    fn check_ladder(account: &AccountId32, step: u8) -> Checked {
        let open = StorageChallenges::<T>::get(account);
        holds(step <= 3 && open.is_some() >= matches!(step, 1 | 2), "who is overdue has an open challenge")?;
        holds(step < 3 || open.is_none(), "who is evicted has none")?;
        for sample in open.into_iter().flat_map(|open| open.samples) {
            let live = Copies::<T>::get(sample.copy).filter(|copy| copy.state != CopyState::Ended);
            holds(live.is_some_and(|copy| copy.hoster == *account), "a sample is of a live copy of the hoster")?;
        }
        Ok(())
    }

    fn check_encoders(sums: &BTreeMap<AccountId32, Sums>) -> Checked {
        let none = Sums::default();
        let mut total = 0;
        for (account, encoder) in Encoders::<T>::iter() {
            let own = sums.get(&account).unwrap_or(&none);
            holds(encoder.jobs == own.jobs && encoder.jobs <= JOBS, "an encoder counts its jobs")?;
            holds(encoder.unreleased == own.unreleased, "an encoder's unreleased fees")?;
            holds(encoder.halves == own.halves, "an encoder counts its second halves")?;
            if let Some((slot, draw)) = EncoderDraws::<T>::get(&account).and_then(|draw| Some((draw.slot?, draw))) {
                let weight = Self::leaf_weight(EncoderNodes::<T>::get, slot);
                holds(
                    weight == 0 || weight == encoder_weight(&draw, &FREE),
                    "an encoder's weight is that of its entry",
                )?;
                total += weight;
            }
        }
        holds(encoder_table::<T>().total() == total, "the table of encoders sums their weights")
    }

    fn check_slots() -> Checked {
        let holes = HoleCount::<T>::get();
        for place in 0..holes {
            let hole = Holes::<T>::get(place).filter(|index| !Slots::<T>::contains_key(index));
            holds(hole.is_some(), "a hole has no slot")?;
        }
        let taken = Slots::<T>::iter_keys().count() as u32;
        holds(taken + holes == SlotCount::<T>::get(), "slots and holes are all places")?;
        let mut bonds: BTreeMap<AccountId32, Balance> = BTreeMap::new();
        for slot in Slots::<T>::iter_values() {
            *bonds.entry(slot.account).or_default() += slot.bond;
        }
        for (account, bond) in bonds {
            holds(Self::held(&account, Role::Attesting) == bond, "an attester holds its slots' bonds")?;
        }
        Ok(())
    }

    fn check_storing() -> Checked {
        let count = StoringCount::<T>::get();
        holds(Storing::<T>::iter_keys().count() as u32 == count, "the list of storing hosters is dense")?;
        for place in 0..count {
            let hoster = Storing::<T>::get(place).and_then(Hosters::<T>::get);
            holds(hoster.is_some_and(|hoster| hoster.place == Some(place)), "a storing hoster knows its place")?;
        }
        Ok(())
    }

    fn check_needs() -> Checked {
        let mut asking: Vec<PlanId> = Vec::new();
        for lane in 0..LANES {
            let needs: Vec<Need> = Needs::<T>::iter_prefix_values(lane).collect();
            let queue = NeedQueue::<T>::get(lane);
            holds(needs.len() as u64 == queue.tail - queue.head, "a queue of needs is whole")?;
            for need in needs {
                let rounds = if need.kind == NeedKind::Hoster { HOSTER_ROUNDS } else { ENCODER_ROUNDS };
                holds(need.misses < MISSES && need.rounds < rounds, "a need's patience has an end")?;
                if need.kind == NeedKind::Hoster {
                    asking.push(need.id);
                }
            }
        }
        asking.sort_unstable();
        let mut queued: Vec<PlanId> = Plans::<T>::iter().filter(|(_, plan)| plan.queued).map(|(id, _)| id).collect();
        queued.sort_unstable();
        asking.retain(|id| Plans::<T>::contains_key(id));
        holds(asking == queued, "a plan knows whether it asks for a hoster, and asks once")
    }

    fn check_changes() -> Checked {
        let now = Self::now();
        for (block, changes) in Changes::<T>::iter() {
            holds(block > now, "no change is overdue")?;
            let offers = changes.iter().filter(|change| change.is_offer()).count() as u32;
            holds(OfferChanges::<T>::get(block) == offers, "a block's changes of offers are counted")?;
            holds(offers <= MAX_OFFER_CHANGES, "offers leave room")?;
        }
        holds(OfferChanges::<T>::iter_keys().all(Changes::<T>::contains_key), "what is counted is there")
    }

    /// Entries of hosters in the draw table, and their slots.
    fn check_entries() -> Checked {
        let (mut entries, mut slots) = (0, 0);
        for (account, draw) in HosterDraws::<T>::iter() {
            entries += 1;
            if let Some(slot) = draw.slot {
                slots += 1;
                holds(HosterSlots::<T>::get(slot) == Some(account), "a hoster stands in its slot")?;
            }
        }
        holds(entries == HosterCount::<T>::get(), "hosters' entries are counted")?;
        holds(HosterSlots::<T>::iter_keys().count() == slots, "a slot that is free has no hoster")?;
        let stays = |(account, hoster): (AccountId32, Hoster)| {
            HosterDraws::<T>::contains_key(account) || !hoster.open && hoster.records == 0
        };
        holds(Hosters::<T>::iter().all(stays), "who offers or hosts has an entry")
    }

    fn check_queues() -> Checked {
        let (reports, numbered) = (Reports::<T>::iter_keys().count(), ReportAt::<T>::iter_keys().count());
        holds(reports == numbered, "a committed report has its number")?;
        for wait in Wait::ALL {
            let queue = DeadlineQueues::<T>::get(wait);
            let kept = Deadlines::<T>::iter_prefix(wait).count() as u64;
            holds(kept == queue.tail - queue.head, "a queue of deadlines is whole")?;
        }
        Ok(())
    }
}
