//! Retrieval challenges: committees, commits, reveals, verdicts (pallet-spec/README.md section 10).

use crate::{
    crypto::{draw, low, next_link, probe, Commitment},
    merkle::{leaf, opened_root},
    types::*,
    Attesters, Config, Copies, Eras, Error, Event, Hosters, Pallet, Plans, Retrievals, Segments, Slots,
};
use alloc::vec::Vec;
use frame_support::{ensure, traits::Defensive};
use sp_core::H256;
use sp_runtime::{AccountId32, DispatchResult};

/// What the reports of a committee come to.
struct Outcome {
    verdict: Verdict,
    reports: u32,
    fails: u32,
    latency_ms: u32,
    kib_per_s: u32,
}

/// The lower median; 0 of nothing.
fn lower_median(mut values: Vec<u32>) -> u32 {
    values.sort_unstable();
    let middle = values.len().saturating_sub(1) / 2;
    values.get(middle).copied().unwrap_or(0)
}

impl Outcome {
    fn of(reports: &[Report], quorum: u32) -> Self {
        let count = reports.len() as u32;
        let served: Vec<&Report> = reports.iter().filter(|report| report.served == 1).collect();
        let fails = count.saturating_sub(served.len() as u32);
        let verdict = match () {
            _ if count < quorum => Verdict::Void,
            _ if 3 * u64::from(fails) >= 2 * u64::from(count) => Verdict::Failed,
            _ => Verdict::Passed,
        };
        let median = |value: fn(&Report) -> u32| match verdict {
            Verdict::Passed => lower_median(served.iter().map(|report| value(report)).collect()),
            _ => 0,
        };
        let (latency_ms, kib_per_s) = (median(|report| report.latency_ms), median(|report| report.kib_per_s));
        Self { verdict, reports: count, fails, latency_ms, kib_per_s }
    }

    /// The same, but nobody is blamed.
    fn excused(self) -> Self {
        Self { verdict: Verdict::Void, ..self }
    }
}

impl Report {
    /// Whether it is paid, whatever the verdict: "not served" would be earned without fetching.
    fn pays(&self) -> bool {
        self.served == 1
    }
}

impl Copy {
    /// Its sectors when a block began; of an active copy those that may be probed in the era of that first block.
    fn sectors_before(&self, block: Block) -> u64 {
        let before = self.segments.iter().filter(|part| part.since < block);
        before.fold(0, |sum, part| sum.saturating_add(part.sectors))
    }
}

impl Slot {
    /// Its account offered anew in `era` or later, and lost the seats of that era.
    fn lost(&self, era: Era) -> bool {
        self.renewed.iter().any(|renewed| *renewed >= era)
    }
}

impl<T: Config> Pallet<T> {
    fn era_start(era: Era) -> Block {
        era.saturating_mul(Self::times().era)
    }

    /// Whether this block lies in [from, to) after the start of `era`.
    fn ensure_within(era: Era, from: u32, to: u32) -> DispatchResult {
        let start = Self::era_start(era);
        let inside = start.saturating_add(from) <= Self::now() && Self::now() < start.saturating_add(to);
        ensure!(inside, Error::<T>::OutsideWindow);
        Ok(())
    }

    /// The copy, if it was active before `era` began; eras 0 and 1 have no tests.
    fn tested(era: Era, id: CopyId) -> Result<Copy, Error<T>> {
        let copy = Copies::<T>::get(id).ok_or(Error::<T>::NoSuchCopy)?;
        let active = copy.active_since.is_some_and(|since| since < Self::era_start(era));
        ensure!(era >= 2 && active, Error::<T>::NotUnderTest);
        Ok(copy)
    }

    /// The committee of (era, copy): its seats that are not empty, in seat order.
    pub(crate) fn committee(era: Era, id: CopyId, copy: &Copy) -> Vec<Seat> {
        let (Some(info), Some(before)) = (Eras::<T>::get(era), Eras::<T>::get(era.saturating_sub(1))) else {
            return Vec::new();
        };
        let Some(plan) = Plans::<T>::get(copy.plan).defensive() else { return Vec::new() };
        let ids = [&id.to_le_bytes()[..], &era.to_le_bytes()[..]].concat();
        let mut seats: Vec<Seat> = Vec::new();
        let wanted = Self::times().seats as usize;
        // More draws than seats: holes in the list of slots do not thin the committee.
        for ctr in 0..SEAT_DRAWS {
            if seats.len() >= wanted {
                break;
            }
            let Some(place) = draw(5, info.seed, &ids, ctr).checked_rem(before.slots.into()) else { break };
            let index = place as u32;
            let Some(slot) = Slots::<T>::get(index) else { continue };
            let late = slot.taken.saturating_add(1) >= era || slot.renewed.iter().any(|e| e.saturating_add(1) == era);
            let gone = slot.returned.is_some_and(|block| block < Self::era_start(era));
            let party = plan.sponsor == slot.account || copy.parties().contains(&slot.account);
            let repeated = seats.iter().any(|seat| seat.account == slot.account);
            if !(late || gone || party || repeated || slot.ask > plan.terms.report_price) {
                seats.push(Seat { slot: index, account: slot.account, commit: None, report: None });
            }
        }
        seats
    }

    /// The record of (era, copy), made and queued for its removal when it is not there yet.
    fn record(era: Era, id: CopyId, copy: &Copy) -> Retrieval {
        if let Some(record) = Retrievals::<T>::get(era, id) {
            return record;
        }
        let end = Self::era_start(era.saturating_add(1)).saturating_add(Self::times().settle_to);
        Self::arm_at(Wait::Settle, end, id, era.into());
        // Seats are at most as many as the bound.
        Retrieval { seats: Self::committee(era, id, copy).try_into().defensive_unwrap_or_default(), settled: false }
    }

    /// Whether a seat's account did not offer anew with another anchor in `era` or later. Slots that were given back know
    /// nothing of such an offer, but no link is shown after it before the seats that it costs are settled.
    fn keeps(seat: &Seat, era: Era) -> bool {
        let renewed = |attester: Attester| attester.link == attester.anchor && attester.link_era >= era;
        Slots::<T>::get(seat.slot).is_some_and(|slot| !slot.lost(era))
            && !Attesters::<T>::get(&seat.account).is_some_and(renewed)
    }

    fn seat_of(record: &mut Retrieval, era: Era, account: &AccountId32) -> Result<usize, Error<T>> {
        let at = record.seats.iter().position(|seat| seat.account == *account).ok_or(Error::<T>::NoSeat)?;
        ensure!(record.seats.get(at).is_some_and(|seat| Self::keeps(seat, era)), Error::<T>::NoSeat);
        Ok(at)
    }

    pub(crate) fn do_commit_retrieval(account: AccountId32, era: Era, id: CopyId, commit: H256) -> DispatchResult {
        let times = Self::times();
        Self::ensure_within(era, times.probe_blocks, times.era)?;
        let copy = Self::tested(era, id)?;
        ensure!(copy.state != CopyState::Ended, Error::<T>::NotUnderTest);
        let mut record = Self::record(era, id, &copy);
        let at = Self::seat_of(&mut record, era, &account)?;
        let seat = record.seats.get_mut(at).ok_or(Error::<T>::NoSeat)?;
        ensure!(seat.commit.is_none(), Error::<T>::AlreadyCommitted);
        seat.commit = Some(commit);
        Retrievals::<T>::insert(era, id, record);
        Self::deposit_event(Event::RetrievalCommitted { era, copy: id, account });
        Ok(())
    }

    #[allow(clippy::too_many_arguments)]
    pub(crate) fn do_reveal_retrieval(
        account: AccountId32,
        era: Era,
        id: CopyId,
        report: Report,
        link: H256,
        salt: H256,
        opening: Option<Opening>,
    ) -> DispatchResult {
        let times = Self::times();
        Self::ensure_within(era.saturating_add(1), times.reveal_from, times.settle_from)?;
        let copy = Self::tested(era, id)?;
        let mut record = Retrievals::<T>::get(era, id).ok_or(Error::<T>::NotCommitted)?;
        let at = Self::seat_of(&mut record, era, &account)?;
        let seat = record.seats.get_mut(at).ok_or(Error::<T>::NoSeat)?;
        let commit = seat.commit.ok_or(Error::<T>::NotCommitted)?;
        ensure!(seat.report.is_none(), Error::<T>::AlreadyRevealed);
        ensure!(report.served <= 1 && opening.is_some() == (report.served == 1), Error::<T>::BadReport);
        Self::show_link(&account, era, link)?;
        let leaf = match &opening {
            Some(opening) => Self::opened_leaf(era, id, &copy, link, opening)?,
            None => H256::zero(),
        };
        let shown = Commitment { account: &account, era, copy: id, report, link, leaf, salt };
        ensure!(shown.hash(Self::genesis()) == commit, Error::<T>::CommitMismatch);
        seat.report = Some(report);
        Retrievals::<T>::insert(era, id, record);
        Self::deposit_event(Event::RetrievalRevealed { era, copy: id, account, report });
        Ok(())
    }

    /// Takes the link of `era`: it leads to the last one shown of an earlier era, or is the one shown for this era.
    fn show_link(account: &AccountId32, era: Era, link: H256) -> DispatchResult {
        let mut attester = Attesters::<T>::get(account).ok_or(Error::<T>::NoSeat)?;
        if attester.link_era == era {
            ensure!(attester.link == link, Error::<T>::BadLink);
            return Ok(());
        }
        let steps = era.checked_sub(attester.link_era).ok_or(Error::<T>::BadLink)?;
        ensure!((1..=MAX_LINKS).contains(&steps), Error::<T>::BadLink);
        let genesis = Self::genesis();
        let end = (0..steps).fold(link, |link, _| next_link(genesis, account, link));
        ensure!(end == attester.link, Error::<T>::BadLink);
        attester.link_era = era;
        attester.link = link;
        Attesters::<T>::insert(account, attester);
        Ok(())
    }

    /// The leaf of the sector that the link names, if the opening proves it.
    pub(crate) fn opened_leaf(
        era: Era,
        id: CopyId,
        copy: &Copy,
        link: H256,
        opening: &Opening,
    ) -> Result<H256, Error<T>> {
        let sectors = copy.sectors_before(Self::era_start(era));
        let sector = low(probe(link, id, era, 0)).checked_rem(sectors.into()).ok_or(Error::<T>::BadOpening)?;
        let (segment_id, index) = copy.locate(sector as u64).ok_or(Error::<T>::BadOpening)?;
        let segment = Segments::<T>::get(segment_id).ok_or(Error::<T>::BadOpening)?;
        let context = Self::context_of(&segment, &copy.hoster).ok_or(Error::<T>::BadOpening)?;
        let root = opened_root(context, segment.sectors, index, opening);
        ensure!(root == Some(segment.root), Error::<T>::BadOpening);
        Ok(leaf(context, index, &opening.data))
    }

    pub(crate) fn do_settle_retrieval(era: Era, id: CopyId) -> DispatchResult {
        let times = Self::times();
        Self::ensure_within(era.saturating_add(1), times.settle_from, times.settle_to)?;
        let copy = Self::tested(era, id)?;
        let until = Self::era_start(era.saturating_add(1));
        ensure!(copy.ended.is_none_or(|ended| ended >= until), Error::<T>::NotUnderTest);
        let mut record = Self::record(era, id, &copy);
        ensure!(!record.settled, Error::<T>::AlreadySettled);
        record.settled = true;
        let valid = |seat: &Seat| seat.report.filter(|_| Self::keeps(seat, era));
        let seats: Vec<(Seat, Option<Report>)> = record.seats.iter().map(|seat| (seat.clone(), valid(seat))).collect();
        Retrievals::<T>::insert(era, id, record);
        let reports: Vec<Report> = seats.iter().filter_map(|(_, report)| *report).collect();
        let outcome = match Outcome::of(&reports, times.quorum) {
            failed if failed.verdict == Verdict::Failed && Self::was_away(&copy, era) => failed.excused(),
            outcome => outcome,
        };
        Self::pay_committee(era, id, &seats)?;
        Self::score((era, id), &copy, outcome)
    }

    /// Whether the hoster had announced a pause that touches an era.
    fn was_away(copy: &Copy, era: Era) -> bool {
        let times = Self::times();
        let Some(from) = Hosters::<T>::get(&copy.hoster).and_then(|hoster| hoster.pause) else { return false };
        let start = from.saturating_add(times.proof_window);
        start < Self::era_start(era.saturating_add(1)) && start.saturating_add(times.pause) >= Self::era_start(era)
    }

    /// Pays the reports and burns from those who came with empty hands, in seat order.
    fn pay_committee(era: Era, id: CopyId, seats: &[(Seat, Option<Report>)]) -> DispatchResult {
        let (mut copy, mut plan) = Self::copy_and_plan(id).ok_or(Error::<T>::NoSuchCopy)?;
        let price =
            crate::money::mul_div([plan.terms.report_price, Self::reputation(&copy.hoster).into(), 1], PPM.into());
        for (seat, report) in seats {
            match report {
                Some(report) if report.pays() => {
                    Self::pay((id, &mut copy), &mut plan, &seat.account, price, Payment::Report);
                },
                Some(_) => (),
                None => Self::burn_empty_handed(era, id, seat),
            }
        }
        Self::put_copy_and_plan(id, copy, plan);
        Ok(())
    }

    /// Burns 1 % of the bond due, at most 5 % for each slot and era.
    fn burn_empty_handed(era: Era, id: CopyId, seat: &Seat) {
        let due = Self::amounts().attester_bond / 100;
        let burned = Slots::<T>::mutate(seat.slot, |slot| {
            let Some(slot) = slot.as_mut().filter(|slot| slot.account == seat.account) else { return 0 };
            match slot.empty.iter_mut().find(|counted| counted.era == era) {
                Some(counted) if counted.count >= EMPTY_HANDED => return 0,
                Some(counted) => counted.count = counted.count.saturating_add(1),
                None => {
                    if slot.empty.is_full() {
                        slot.empty.remove(0);
                    }
                    // There is room: one was removed if it was full.
                    let _ = slot.empty.try_push(EraCount { era, count: 1 }).defensive();
                },
            }
            let burned = Self::burn_held(&slot.account, Role::Attesting, due.min(slot.bond));
            slot.bond = slot.bond.saturating_sub(burned);
            burned
        });
        let account = seat.account.clone();
        Self::deposit_event(Event::SeatEmptyHanded { era, copy: id, account, slot: seat.slot, burned });
    }

    /// What the verdict changes for the hoster and the copy.
    fn score((era, id): (Era, CopyId), copy: &Copy, outcome: Outcome) -> DispatchResult {
        let Outcome { verdict, reports, fails, latency_ms, kib_per_s } = outcome;
        let before = Self::reputation(&copy.hoster);
        Self::with_peer(&copy.hoster, |peer| match verdict {
            Verdict::Passed => {
                peer.latency_ms = latency_ms;
                peer.kib_per_s = kib_per_s;
                peer.served = peer.served.saturating_add(1);
            },
            Verdict::Failed => peer.failed = peer.failed.saturating_add(1),
            Verdict::Void => (),
        });
        Self::deposit_event(Event::RetrievalSettled { era, copy: id, verdict, reports, fails, latency_ms, kib_per_s });
        Self::judge(era, id, verdict, latency_ms, kib_per_s);
        if verdict == Verdict::Failed {
            let all = Hosters::<T>::get(&copy.hoster).map_or(0, |hoster| hoster.stored);
            if copy.state != CopyState::Ended && all > 0 {
                let factors = [u128::from(before), copy.stored.into(), 1];
                let loss = crate::money::mul_div(factors, 16 * u128::from(all));
                let reputation = before.saturating_sub(loss as u32).max(MIN_REPUTATION);
                Self::set_reputation(&copy.hoster, reputation)?;
            }
            Self::strike(id);
        }
        Ok(())
    }
}
