//! Retrieval challenges: committees, commits, reveals, verdicts (pallet-spec/README.md section 10).

use crate::{
    crypto::{draw, low, next_link, probe, Commitment},
    merkle::{leaf, opened_root},
    types::*,
    weights, Attesters, Config, Copies, Eras, Error, Event, Hosters, Pallet, Plans, Retrievals, Segments, Slots,
};
use alloc::vec::Vec;
use codec::Encode;
use frame_support::{
    dispatch::{DispatchErrorWithPostInfo, DispatchResultWithPostInfo, Pays, PostDispatchInfo},
    ensure,
    traits::Defensive,
};
use sp_core::H256;
use sp_runtime::{AccountId32, DispatchResult};

/// A retrieval record as it stands, or as it would be made now.
struct Found {
    record: Retrieval,
    /// It is not there yet.
    new: bool,
    /// Slots that were drawn to make it.
    draws: u64,
}

/// What the items of a call come to: whether the fee comes back.
type Said<T> = Result<Pays, Error<T>>;

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
    fn ensure_within(era: Era, from: u32, to: u32) -> Result<(), Error<T>> {
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

    /// The committee of (era, copy): its seats that are not empty, in seat order, and how many slots were drawn for it.
    fn draw_committee(era: Era, id: CopyId, copy: &Copy) -> (Vec<Seat>, u64) {
        let (mut seats, mut draws): (Vec<Seat>, u64) = (Vec::new(), 0);
        let (Some(info), Some(before)) = (Eras::<T>::get(era), Eras::<T>::get(era.saturating_sub(1))) else {
            return (seats, draws);
        };
        let Some(plan) = Plans::<T>::get(copy.plan).defensive() else { return (seats, draws) };
        let ids = [&id.to_le_bytes()[..], &era.to_le_bytes()[..]].concat();
        let (wanted, parties) = (Self::times().seats as usize, copy.parties());
        // More draws than seats: holes in the list of slots do not thin the committee.
        for ctr in 0..SEAT_DRAWS {
            if seats.len() >= wanted {
                break;
            }
            let Some(place) = draw(5, info.seed, &ids, ctr).checked_rem(before.slots.into()) else { break };
            draws = draws.saturating_add(1);
            let index = place as u32;
            let Some(slot) = Slots::<T>::get(index) else { continue };
            let late = slot.taken.saturating_add(1) >= era || slot.renewed.iter().any(|e| e.saturating_add(1) == era);
            let gone = slot.returned.is_some_and(|block| block < Self::era_start(era));
            let party = plan.sponsor == slot.account || parties.contains(&slot.account);
            let repeated = seats.iter().any(|seat| seat.account == slot.account);
            if !(late || gone || party || repeated || slot.ask > plan.terms.report_price) {
                seats.push(Seat { slot: index, account: slot.account, commit: None, report: None });
            }
        }
        (seats, draws)
    }

    /// The record of (era, copy), or what it would be.
    fn find(era: Era, id: CopyId, copy: &Copy) -> Found {
        if let Some(record) = Retrievals::<T>::get(era, id) {
            return Found { record, new: false, draws: 0 };
        }
        let (seats, draws) = Self::draw_committee(era, id, copy);
        // Seats are at most as many as the bound.
        let record = Retrieval { seats: seats.try_into().defensive_unwrap_or_default(), settled: false };
        Found { record, new: true, draws }
    }

    /// Writes the record of (era, copy); a new one is queued for its removal.
    fn keep(era: Era, id: CopyId, found: Found) {
        if found.new {
            let end = Self::era_start(era.saturating_add(1)).saturating_add(Self::times().settle_to);
            Self::arm_at(Wait::Settle, end, id, era.into());
        }
        Retrievals::<T>::insert(era, id, found.record);
    }

    /// Whether a seat's account did not offer anew with another anchor in `era` or later. Slots that were given back know
    /// nothing of such an offer, but no link is shown after it before the seats that it costs are settled.
    fn keeps(seat: &Seat, era: Era) -> bool {
        let renewed = |attester: Attester| attester.link == attester.anchor && attester.link_era >= era;
        Slots::<T>::get(seat.slot).is_some_and(|slot| !slot.lost(era))
            && !Attesters::<T>::get(&seat.account).is_some_and(renewed)
    }

    /// The account's seat, if it has not lost it.
    fn seat_of<'a>(record: &'a mut Retrieval, era: Era, account: &AccountId32) -> Result<&'a mut Seat, Error<T>> {
        let seat = record.seats.iter_mut().find(|seat| seat.account == *account).ok_or(Error::<T>::NoSeat)?;
        ensure!(Self::keeps(seat, era), Error::<T>::NoSeat);
        Ok(seat)
    }

    /// Takes each item that it can. If it took none it fails with the error of the first. What it did not take is told, in the
    /// end; the fee comes back if there is no such.
    fn each<I>(
        account: &AccountId32,
        era: Era,
        items: Vec<(CopyId, I)>,
        mut take: impl FnMut(CopyId, I) -> Result<(), Error<T>>,
    ) -> Said<T> {
        ensure!(!items.is_empty(), Error::<T>::NothingSaid);
        let (all, mut refused) = (items.len(), Vec::new());
        for (copy, item) in items {
            if let Err(error) = take(copy, item) {
                refused.push((copy, error));
            }
        }
        let pays = if refused.is_empty() { Pays::No } else { Pays::Yes };
        if refused.len() == all {
            return refused.into_iter().next().map_or(Ok(pays), |(_, error)| Err(error));
        }
        for (copy, error) in refused {
            let error = error.encode().first().copied().unwrap_or_default();
            Self::deposit_event(Event::RetrievalRefused { era, copy, account: account.clone(), error });
        }
        Ok(pays)
    }

    pub(crate) fn do_commit_retrievals(
        account: AccountId32,
        era: Era,
        commits: Vec<RetrievalCommit>,
    ) -> DispatchResultWithPostInfo {
        let (count, mut records, mut draws) = (commits.len() as u64, 0u64, 0u64);
        let said = Self::commit_each(&account, era, commits, &mut |new, drawn| {
            records = records.saturating_add(new);
            draws = draws.saturating_add(drawn);
        });
        let post = |pays_fee| PostDispatchInfo {
            actual_weight: Some(weights::commit_retrievals(count, records, draws)),
            pays_fee,
        };
        match said {
            Ok(pays) => Ok(post(pays)),
            Err(error) => Err(DispatchErrorWithPostInfo { post_info: post(Pays::Yes), error: error.into() }),
        }
    }

    fn commit_each(
        account: &AccountId32,
        era: Era,
        commits: Vec<RetrievalCommit>,
        count: &mut impl FnMut(u64, u64),
    ) -> Said<T> {
        let times = Self::times();
        Self::ensure_within(era, times.probe_blocks, times.era)?;
        let items = commits.into_iter().map(|one| (one.copy, one.commit)).collect();
        Self::each(account, era, items, |id, commit| {
            let copy = Self::tested(era, id)?;
            ensure!(copy.state != CopyState::Ended, Error::<T>::NotUnderTest);
            let mut found = Self::find(era, id, &copy);
            count(found.new.into(), found.draws);
            let seat = Self::seat_of(&mut found.record, era, account)?;
            ensure!(seat.commit.is_none(), Error::<T>::AlreadyCommitted);
            seat.commit = Some(commit);
            Self::keep(era, id, found);
            Self::deposit_event(Event::RetrievalCommitted { era, copy: id, account: account.clone() });
            Ok(())
        })
    }

    pub(crate) fn do_reveal_retrievals(
        account: AccountId32,
        era: Era,
        link: H256,
        reveals: Vec<RetrievalReveal>,
    ) -> DispatchResultWithPostInfo {
        let times = Self::times();
        Self::ensure_within(era.saturating_add(1), times.reveal_from, times.settle_from)?;
        let attester = Self::linked(&account, era, link)?;
        let items = reveals.into_iter().map(|one| (one.copy, one)).collect();
        let pays = Self::each(&account, era, items, |_, reveal| Self::reveal(&account, era, link, reveal))?;
        Attesters::<T>::insert(&account, attester);
        Ok(pays.into())
    }

    /// Takes one reveal; the link leads to where it must.
    fn reveal(account: &AccountId32, era: Era, link: H256, reveal: RetrievalReveal) -> Result<(), Error<T>> {
        let RetrievalReveal { copy: id, report, salt, opening } = reveal;
        let copy = Self::tested(era, id)?;
        let mut record = Retrievals::<T>::get(era, id).ok_or(Error::<T>::NotCommitted)?;
        let seat = Self::seat_of(&mut record, era, account)?;
        let commit = seat.commit.ok_or(Error::<T>::NotCommitted)?;
        ensure!(seat.report.is_none(), Error::<T>::AlreadyRevealed);
        ensure!(report.served <= 1 && opening.is_some() == (report.served == 1), Error::<T>::BadReport);
        let leaf = match &opening {
            Some(opening) => Self::opened_leaf(era, id, &copy, link, opening)?,
            None => H256::zero(),
        };
        let shown = Commitment { account, era, copy: id, report, link, leaf, salt };
        ensure!(shown.hash(Self::genesis()) == commit, Error::<T>::CommitMismatch);
        seat.report = Some(report);
        Retrievals::<T>::insert(era, id, record);
        Self::deposit_event(Event::RetrievalRevealed { era, copy: id, account: account.clone(), report });
        Ok(())
    }

    /// The attester with the link of `era`, if that leads to the last one shown of an earlier era, or is the one shown for this
    /// era.
    fn linked(account: &AccountId32, era: Era, link: H256) -> Result<Attester, Error<T>> {
        let mut attester = Attesters::<T>::get(account).ok_or(Error::<T>::NoSeat)?;
        if attester.link_era == era {
            ensure!(attester.link == link, Error::<T>::BadLink);
            return Ok(attester);
        }
        let steps = era.checked_sub(attester.link_era).ok_or(Error::<T>::BadLink)?;
        ensure!((1..=MAX_LINKS).contains(&steps), Error::<T>::BadLink);
        let genesis = Self::genesis();
        let end = (0..steps).fold(link, |link, _| next_link(genesis, account, link));
        ensure!(end == attester.link, Error::<T>::BadLink);
        attester.link_era = era;
        attester.link = link;
        Ok(attester)
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
        let mut found = Self::find(era, id, &copy);
        ensure!(!found.record.settled, Error::<T>::AlreadySettled);
        found.record.settled = true;
        // Nothing asks for the seats any more: what stays until `settle_to` says that there was a verdict.
        let seats = core::mem::take(&mut found.record.seats);
        Self::keep(era, id, found);
        let valid = |seat: &Seat| seat.report.filter(|_| Self::keeps(seat, era));
        let seats: Vec<(Seat, Option<Report>)> = seats.into_iter().map(|seat| (seat.clone(), valid(&seat))).collect();
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

    /// Burns 1 % of the bond due, at most 5 % for each slot and era. A slot of which less than half of the bond is left has no
    /// seat any more: else who is silent for ever would keep its seats for what it once paid.
    fn burn_empty_handed(era: Era, id: CopyId, seat: &Seat) {
        let bond = Self::amounts().attester_bond;
        let (due, mut spent) = (bond / 100, false);
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
            spent = slot.bond < bond / SPENT_PART && slot.returned.is_none();
            burned
        });
        let account = seat.account.clone();
        Self::deposit_event(Event::SeatEmptyHanded {
            era,
            copy: id,
            account: account.clone(),
            slot: seat.slot,
            burned,
        });
        if spent {
            Self::take_back_slot(&account, seat.slot);
        }
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
