//! Segments: begin, salt, confirmation (pallet-spec/README.md sections 8, 11 and 13).

use crate::{
    crypto::{self, hash, valid_modulus, SaltInputs, SegmentStatement},
    money::fee,
    types::*,
    Begins, Config, Copies, Error, Event, Hosters, Moduli, NextSegment, Pallet, Peers, Seeds, Segments, UsedModuli,
};
use frame_support::{ensure, traits::Defensive};
use sp_core::H256;
use sp_runtime::{AccountId32, DispatchResult};

/// Sectors of the shortest partial segment.
pub const fn part_sectors(checkpoint: u32) -> u64 {
    checkpoint as u64 * SEGMENT_CHECKPOINTS as u64
}

/// What of the rest of a copy a segment is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Part {
    /// All of it.
    Rest,
    /// Enough of it: the same encoder goes on.
    Partial,
    /// A checkpoint of it, once: another encoder goes on.
    Salvaged,
}

impl Copy {
    /// Sectors that the current job is paid for: the rest, at most the shortest partial segment's and at least a checkpoint's.
    pub fn job_sectors(&self, checkpoint: u32) -> u64 {
        self.sectors.saturating_sub(self.stored).min(part_sectors(checkpoint)).max(checkpoint.into())
    }

    /// Segment and index in it of a sector of the copy.
    pub fn locate(&self, sector: u64) -> Option<(SegmentId, u64)> {
        let mut rest = sector;
        for part in &self.segments {
            if rest < part.sectors {
                return Some((part.segment, rest));
            }
            rest -= part.sectors;
        }
        None
    }
}

impl Plan {
    /// Somebody got the feed and made a segment; true if no live copy stored anything before.
    fn count_confirmed(&mut self) -> bool {
        self.stalls = 0;
        self.declined = 0;
        !core::mem::replace(&mut self.confirmed, true)
    }
}

impl<T: Config> Pallet<T> {
    pub(crate) fn do_begin_segment(account: AccountId32, id: CopyId, modulus: Sector, profile: u8) -> DispatchResult {
        let mut copy = Copies::<T>::get(id).ok_or(Error::<T>::NoSuchCopy)?;
        ensure!(copy.encoder.as_ref() == Some(&account), Error::<T>::NotParty);
        ensure!(copy.state == CopyState::Assigned, Error::<T>::WrongState);
        ensure!(profile == PROFILE_P1, Error::<T>::BadProfile);
        ensure!(valid_modulus(&modulus), Error::<T>::BadModulus);
        let used = hash(&[&modulus]);
        ensure!(!UsedModuli::<T>::contains_key(used), Error::<T>::ModulusUsed);
        let begins = Begins::<T>::get();
        ensure!(begins < BEGINS, Error::<T>::TooManyBegins);

        Begins::<T>::put(begins.saturating_add(1));
        let segment = NextSegment::<T>::get();
        NextSegment::<T>::put(segment.saturating_add(1));
        UsedModuli::<T>::insert(used, segment);
        Moduli::<T>::insert(segment, modulus);
        let pk_hash = crypto::pk_hash(&modulus);
        let begun = Segment {
            copy: id,
            encoder: account.clone(),
            profile,
            pk_hash,
            begun: Self::now(),
            salt: None,
            first_byte: copy.stored_bytes,
            bytes: 0,
            sectors: 0,
            root: H256::zero(),
            head: copy.head,
            half: 0,
        };
        Segments::<T>::insert(segment, begun);
        copy.state = CopyState::Begun;
        copy.current = Some(segment);
        Copies::<T>::insert(id, copy);
        let times = Self::times();
        Self::arm(Wait::Salt, times.seed_delay, id, segment);
        Self::arm(Wait::Lease, times.lease, id, segment);
        let salt_block = Self::now().saturating_add(times.seed_delay);
        Self::deposit_event(Event::SegmentBegun { copy: id, segment, encoder: account, pk_hash, salt_block });
        Ok(())
    }

    /// Draws the salt with the seed of block `due`.
    pub(crate) fn draw_salt(id: CopyId, segment_id: SegmentId, due: Block) {
        let waits = |copy: &Copy| copy.state == CopyState::Begun && copy.current == Some(segment_id);
        let Some((mut copy, plan)) = Self::copy_and_plan(id).filter(|(copy, _)| waits(copy)) else { return };
        let Some(mut segment) = Segments::<T>::get(segment_id).defensive() else { return };
        // Gone if a backlog kept the wait for more than 256 blocks: then the lease passes.
        let Some(seed) = Seeds::<T>::get(due) else { return };
        let chain_rand = crypto::chain_rand(seed, segment_id);
        let salt = crypto::salt(&SaltInputs {
            genesis: Self::genesis(),
            copy: id,
            encoder: &segment.encoder,
            hoster: &copy.hoster,
            feed_key: &plan.feed,
            feed_root: segment.head.tree_hash,
            chain_rand,
            pk_hash: segment.pk_hash,
        });
        segment.salt = Some(salt);
        copy.state = CopyState::Encoding;
        Segments::<T>::insert(segment_id, segment);
        Copies::<T>::insert(id, copy);
        Self::deposit_event(Event::SaltDrawn { copy: id, segment: segment_id, chain_rand, salt });
    }

    /// The ctx of a segment's Merkle tree; none before its salt is drawn.
    pub(crate) fn context_of(segment: &Segment, hoster: &AccountId32) -> Option<H256> {
        let contract_id = crypto::contract_id(Self::genesis(), segment.copy);
        let Segment { encoder, profile, pk_hash, salt, .. } = segment;
        Some(crypto::context(contract_id, encoder, hoster, *profile, *pk_hash, (*salt)?))
    }

    pub(crate) fn do_confirm_segment(
        account: AccountId32,
        id: CopyId,
        segment_id: SegmentId,
        bytes: u64,
        root: H256,
        signature: Signature,
    ) -> DispatchResult {
        let (copy, plan) = Self::copy_and_plan(id).ok_or(Error::<T>::NoSuchCopy)?;
        let drawn = copy.encoder.clone().ok_or(Error::<T>::WrongState)?;
        let signer = match account {
            _ if account == copy.hoster => &drawn,
            _ if account == drawn => &copy.hoster,
            _ => return Err(Error::<T>::NotParty.into()),
        };
        ensure!(copy.state == CopyState::Encoding, Error::<T>::WrongState);
        ensure!(copy.current == Some(segment_id), Error::<T>::WrongSegment);
        let part = Self::part_of(&copy, bytes)?;
        let mut segment = Segments::<T>::get(segment_id).ok_or(Error::<T>::WrongSegment)?;
        segment.bytes = bytes;
        segment.sectors = bytes.div_ceil(SECTOR);
        segment.root = root;
        let statement = SegmentStatement {
            copy: id,
            segment: segment_id,
            encoder: &drawn,
            hoster: &copy.hoster,
            pk_hash: segment.pk_hash,
            salt: segment.salt.ok_or(Error::<T>::WrongState)?,
            first_byte: segment.first_byte,
            bytes,
            sectors: segment.sectors,
            root,
        };
        let key = Peers::<T>::get(signer).ok_or(Error::<T>::NotAPeer)?.statement_key;
        Self::ensure_signed_by(&signature, &statement.message(Self::genesis()), &key)?;
        Self::confirm((id, copy), plan, (segment_id, segment), drawn, (account, part))
    }

    /// What of a copy's rest that many bytes may be.
    fn part_of(copy: &Copy, bytes: u64) -> Result<Part, Error<T>> {
        let rest = copy.bytes.saturating_sub(copy.stored_bytes);
        if bytes == rest {
            return Ok(Part::Rest);
        }
        ensure!(bytes.is_multiple_of(SECTOR) && bytes < rest, Error::<T>::BadSegmentBytes);
        let checkpoint = Self::times().checkpoint;
        let least = u64::from(checkpoint).saturating_mul(SECTOR);
        let enough = part_sectors(checkpoint).saturating_mul(SECTOR);
        let part = if bytes >= rest.min(enough) { Part::Partial } else { Part::Salvaged };
        let allowed = part == Part::Partial || bytes >= least && copy.stalls == 0;
        ensure!(allowed, Error::<T>::BadSegmentBytes);
        ensure!(copy.segments.len().saturating_add(1) < MAX_SEGMENTS as usize, Error::<T>::TooManySegments);
        Ok(part)
    }

    /// Books a confirmed segment: sectors, fees, and the copy's next state.
    fn confirm(
        (id, mut copy): (CopyId, Copy),
        mut plan: Plan,
        (segment_id, mut segment): (SegmentId, Segment),
        encoder: AccountId32,
        (caller, part): (AccountId32, Part),
    ) -> DispatchResult {
        let Segment { bytes, sectors, first_byte, root, .. } = segment;
        let leaves = (part != Part::Partial).then(|| encoder.clone());
        Self::schedule(Change::Confirmed { copy: id, sectors, encoder: leaves })?;
        Self::store_sectors(&mut copy, sectors)?;
        let total = fee(copy.ask_encoding, sectors.max(Self::times().checkpoint.into()));
        let first_half = total / 2;
        segment.half = total.saturating_sub(first_half);
        Self::book_segment(&mut copy, (segment_id, &segment), &encoder, part)?;
        if segment.half > 0 {
            Self::arm(Wait::Half, Self::times().era.saturating_mul(HALF_ERAS), segment_id, 0);
        }
        Self::deposit_event(Event::SegmentConfirmed {
            copy: id,
            segment: segment_id,
            first_byte,
            bytes,
            sectors,
            root,
        });
        Self::pay((id, &mut copy), &mut plan, &encoder, first_half, Payment::FirstHalf);
        let receiving = fee(copy.ask_receiving, sectors);
        let hoster = copy.hoster.clone();
        Self::pay((id, &mut copy), &mut plan, &hoster, receiving, Payment::Receiving);
        Segments::<T>::insert(segment_id, segment);
        let first = plan.count_confirmed();
        match part {
            Part::Rest => Self::whole(id, &mut copy, &plan),
            Part::Partial => Self::next_segment(id, &mut copy),
            Part::Salvaged => Self::salvaged(&mut copy, &caller),
        }
        let plan_id = copy.plan;
        // Needs take the lane of the plan as it is now.
        Self::put_copy_and_plan(id, copy.clone(), plan);
        if part == Part::Salvaged {
            Self::want_encoder(id, &copy);
        }
        if first {
            Self::need_hoster(plan_id);
        }
        Ok(())
    }

    /// Adds a confirmed segment to its copy, and moves its fee in the encoder's books.
    fn book_segment(
        copy: &mut Copy,
        (id, segment): (SegmentId, &Segment),
        encoder: &AccountId32,
        part: Part,
    ) -> DispatchResult {
        let old_fee = core::mem::take(&mut copy.fee);
        copy.stored_bytes = copy.stored_bytes.saturating_add(segment.bytes);
        copy.stored = copy.stored.saturating_add(segment.sectors);
        copy.halves = copy.halves.saturating_add(segment.half);
        let listed = CopySegment { segment: id, sectors: segment.sectors, since: Self::now() };
        copy.segments.try_push(listed).map_err(|_| Error::<T>::TooManySegments)?;
        // Who makes a whole copy longer is no party: else a live plan would use up all encoders.
        if copy.active_since.is_none() && !copy.encoders.contains(encoder) {
            copy.encoders.try_push(encoder.clone()).map_err(|_| Error::<T>::TooManySegments)?;
        }
        copy.current = None;
        copy.first_confirmed = copy.first_confirmed.or(Some(Self::now()));
        if part == Part::Partial {
            copy.fee = fee(copy.ask_encoding, copy.job_sectors(Self::times().checkpoint));
        }
        Self::with_encoder(encoder, |state| {
            let kept = state.unreleased.saturating_sub(old_fee);
            state.unreleased = kept.saturating_add(segment.half).saturating_add(copy.fee);
            state.halves = state.halves.saturating_add(u32::from(segment.half > 0));
            state.jobs = state.jobs.saturating_sub(u32::from(part != Part::Partial));
            state.confirmed = Self::now();
        });
        Ok(())
    }

    /// A copy is whole; if that is the first time, one that is leaving may go.
    fn whole(id: CopyId, copy: &mut Copy, plan: &Plan) {
        copy.state = CopyState::Active;
        copy.encoder = None;
        copy.ask_encoding = 0;
        copy.stalls = 0;
        if copy.active_since.is_none() {
            copy.active_since = Some(Self::now());
            Self::replace_by(id, plan);
        }
        Self::deposit_event(Event::CopyActive { copy: id });
    }

    /// The same encoder begins the next segment.
    fn next_segment(id: CopyId, copy: &mut Copy) {
        copy.state = CopyState::Assigned;
        copy.generation = copy.generation.saturating_add(1);
        Self::arm(Wait::Begin, Self::times().begin_window, id, copy.generation.into());
    }

    /// The hoster stores that many sectors more; they are not paid for the time before.
    fn store_sectors(copy: &mut Copy, sectors: u64) -> DispatchResult {
        let mut hoster = Hosters::<T>::get(&copy.hoster).ok_or(Error::<T>::NoOffer)?;
        let now = Self::now();
        if hoster.stored == 0 {
            hoster.last = now;
        }
        let next = passed_reputation(Self::reputation(&copy.hoster));
        let since = u128::from(next).saturating_mul(now.saturating_sub(hoster.last).into());
        let owed = u128::from(sectors).saturating_mul(u128::from(hoster.acc).saturating_add(since));
        copy.debt = copy.debt.saturating_add(owed);
        hoster.stored = hoster.stored.saturating_add(sectors);
        Hosters::<T>::insert(&copy.hoster, hoster);
        Ok(())
    }
}

/// R after a pass.
pub fn passed_reputation(reputation: u32) -> u32 {
    reputation.saturating_add(PPM.saturating_sub(reputation) / 64)
}
