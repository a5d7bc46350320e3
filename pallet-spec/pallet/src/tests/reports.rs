//! Reports of invalid encodings: what they cost hoster and encoder, and when they are refused. The sectors of tests are
//! rubbish: none of them decodes to its feed.

use super::{feeds::*, ladder::collateral, mock::*, world::*};
use crate::{
    crypto, refused, types::*, Burned, Changes, CheckParty, Copies, EncoderDraws, Encoders, Event, HosterDraws,
    Hosters, Minted, Segments,
};
use frame_support::{
    assert_ok,
    dispatch::{DispatchInfo, Pays},
    pallet_prelude::TransactionSource,
};
use sp_runtime::{traits::DispatchTransaction, DispatchError};

const REPORTER: u64 = 40;

/// Blocks of those sizes, all different.
fn blocks(sizes: &[usize]) -> Vec<Vec<u8>> {
    let fill = |(block, size): (usize, &usize)| {
        let words =
            (0..size.div_ceil(32)).map(|i| crypto::hash(&[b"block", &[block as u8], &(i as u32).to_le_bytes()]));
        words.flat_map(|word| word.0).take(*size).collect()
    };
    sizes.iter().enumerate().map(fill).collect()
}

/// Blocks of which a copy is made.
struct Made {
    feed: Feed,
    blocks: Vec<Vec<u8>>,
}

impl Made {
    /// Publishes them for one copy, and registers all whom it takes.
    fn new(sizes: &[usize]) -> Made {
        let blocks = blocks(sizes);
        let feed = Feed::of_blocks(Kind::V1, 7, &blocks);
        register(REPORTER);
        providers(&[HOSTER], &[ENCODER]);
        publish_with(&feed, terms(1), GENEROUS);
        Made { feed, blocks }
    }

    /// The same with the copy active and in the tables.
    fn active(sizes: &[usize]) -> Made {
        let made = Self::new(sizes);
        activate(0);
        run(times().seed_delay);
        made
    }

    fn block(&self, index: u64) -> Option<BlockProof> {
        Some(self.feed.block(index, &self.blocks[index as usize]))
    }
}

fn evidence(sector: u64, block: Option<BlockProof>) -> Evidence {
    Evidence { segment: 0, sector, opening: tree(0, segment(0).sectors).open(sector), block }
}

fn report(n: u64, copy: CopyId, evidence: &Evidence) -> Result<Pays, DispatchError> {
    let call = DatDot::report_invalid_encoding(signed(n), copy, evidence.clone());
    call.map(|info| info.pays_fee).map_err(|refused| refused.error)
}

fn commit(n: u64, copy: CopyId, evidence: &Evidence) {
    assert_ok!(DatDot::commit_report(signed(n), crypto::report(genesis(), &account(n), copy, evidence)));
}

/// Commits, and waits until it may be shown.
fn announce(evidence: &Evidence) {
    commit(REPORTER, 0, evidence);
    run(4);
}

fn is_open() -> (bool, bool) {
    let states = Hosters::<Test>::get(account(HOSTER)).zip(Encoders::<Test>::get(account(ENCODER))).unwrap();
    let draws = HosterDraws::<Test>::get(account(HOSTER)).zip(EncoderDraws::<Test>::get(account(ENCODER))).unwrap();
    assert_eq!((states.0.open, states.1.open), (draws.0.open, draws.1.open));
    (states.0.open, states.1.open)
}

fn bond() -> Balance {
    Amounts::DEFAULT.encoder_bond
}

/// 3 blocks, 1,000 bytes, 4 sectors: hoster and encoder pay, a quarter goes to the reporter, both are out, the copy ends.
#[test]
fn rubbish_costs_both_who_made_it() {
    with_chain(|| {
        let made = Made::active(&[300, 0, 700]);
        let evidence = evidence(0, made.block(0));
        announce(&evidence);
        let (money, minted, burned) = (free(REPORTER), Minted::<Test>::get(), Burned::<Test>::get());
        let (hosting, encoding) = (held(HOSTER, Role::Hosting), held(ENCODER, Role::Encoding));
        assert_eq!(report(REPORTER, 0, &evidence), Ok(Pays::No));
        let taken = collateral(4) + bond();
        let reward = taken / 4;
        let reported = Event::EncodingReported { copy: 0, segment: 0, account: account(REPORTER), taken, reward };
        assert_eq!(last_event(), reported);
        assert_eq!(free(REPORTER) - money, reward);
        assert_eq!((Minted::<Test>::get() - minted, Burned::<Test>::get() - burned), (reward, taken));
        assert_eq!(hosting - held(HOSTER, Role::Hosting), collateral(4));
        assert_eq!(encoding - held(ENCODER, Role::Encoding), bond());
        assert_eq!((reputation(HOSTER), reputation(ENCODER)), (MIN_REPUTATION, MIN_REPUTATION));
        assert_eq!((copy(0).state, copy(0).invalid, copy(0).dropping), (CopyState::Active, true, true));
        assert_eq!(is_open(), (true, true));
        let before = HosterDraws::<Test>::get(account(HOSTER)).unwrap();
        assert!(before.reputation > MIN_REPUTATION, "the draw tables follow later");
        refused!(report(REPORTER, 0, &evidence), AlreadyReported);
        run(times().seed_delay);
        happened(Event::CopyEnded { copy: 0, reason: CopyEnd::Invalid });
        assert_eq!(is_open(), (false, false));
        assert_eq!(Hosters::<Test>::get(account(HOSTER)).unwrap().out_since, now());
        let after = HosterDraws::<Test>::get(account(HOSTER)).unwrap();
        assert_eq!((after.reputation, after.collateral), (MIN_REPUTATION, held(HOSTER, Role::Hosting)));
        assert_eq!(EncoderDraws::<Test>::get(account(ENCODER)).unwrap().bond, 0);
        assert!(plan(0).queued && !plan(0).confirmed && plan(0).live.is_empty());
        refused!(report(REPORTER, 0, &evidence), AlreadyReported);
        run(3 * times().era);
        assert!(!Copies::<Test>::contains_key(0));
    });
}

/// Every check, in its order, with a call that all checks before let through.
#[test]
fn reports_are_refused_in_order() {
    with_chain(|| {
        let made = Made::active(&[300, 0, 700]);
        let good = evidence(1, made.block(2));
        let bad_opening = Evidence { sector: 2, ..good.clone() };
        let outside = Evidence { sector: 4, ..good.clone() };
        let shows_nothing = evidence(3, made.block(0));
        let committed = now();
        for one in [&good, &bad_opening, &outside, &shows_nothing] {
            commit(REPORTER, 0, one);
        }
        refused!(report(REPORTER, 1, &good), NoSuchCopy);
        refused!(report(REPORTER, 0, &Evidence { segment: 1, ..good.clone() }), WrongSegment);
        refused!(report(STRANGER, 0, &good), NoReport);
        run_to(committed + 3);
        refused!(report(REPORTER, 0, &good), NoReport);
        run_to(committed + 4);
        refused!(report(REPORTER, 0, &evidence(0, made.block(0))), NoReport);
        refused!(report(REPORTER, 0, &bad_opening), BadOpening);
        refused!(report(REPORTER, 0, &outside), BadOpening);
        refused!(report(REPORTER, 0, &shows_nothing), NotProven);
        let due = now() + times().seed_delay;
        let waits = |count| vec![Change::JobLeft { account: account(90) }; count];
        for (count, fits) in [(256, false), (255, false), (254, true)] {
            Changes::<Test>::insert(due, sp_runtime::BoundedVec::try_from(waits(count)).unwrap());
            if fits {
                assert_eq!(report(REPORTER, 0, &good), Ok(Pays::No));
            } else {
                refused!(report(REPORTER, 0, &good), TooManyChanges);
            }
        }
        refused!(report(REPORTER, 0, &good), AlreadyReported);
    });
}

#[test]
fn a_report_is_forgotten_with_its_window() {
    with_chain(|| {
        let made = Made::active(&[300]);
        let evidence = evidence(0, made.block(0));
        announce(&evidence);
        run(times().report_window - 5);
        assert!(DatDot::is_committed(&account(REPORTER), 0, &evidence));
        next_block();
        refused!(report(REPORTER, 0, &evidence), NoReport);
    });
}

/// The last sector of 300 bytes holds 44: what is behind them must be zeros. Only the last has any.
#[test]
fn padding_shows_it_without_a_block() {
    with_chain(|| {
        Made::active(&[300]);
        let (first, last) = (evidence(0, None), evidence(1, None));
        commit(REPORTER, 0, &first);
        announce(&last);
        refused!(report(REPORTER, 0, &first), NotProven);
        assert_eq!(report(REPORTER, 0, &last), Ok(Pays::No));
    });
}

#[test]
fn whole_sectors_have_no_padding() {
    with_chain(|| {
        Made::active(&[512]);
        let last = evidence(1, None);
        announce(&last);
        refused!(report(REPORTER, 0, &last), NotProven);
    });
}

/// Whoever holds less than is due loses what it holds.
#[test]
fn no_more_is_taken_than_is_held() {
    with_chain(|| {
        let made = Made::active(&[300]);
        let evidence = evidence(0, made.block(0));
        announce(&evidence);
        DatDot::burn_held(&account(HOSTER), Role::Hosting, held(HOSTER, Role::Hosting) - 3);
        DatDot::burn_held(&account(ENCODER), Role::Encoding, bond() - 4);
        assert_ok!(report(REPORTER, 0, &evidence));
        let event = Event::EncodingReported { copy: 0, segment: 0, account: account(REPORTER), taken: 7, reward: 1 };
        assert_eq!(last_event(), event);
        assert_eq!((held(HOSTER, Role::Hosting), held(ENCODER, Role::Encoding)), (0, 0));
    });
}

/// A copy whose end is under way ends as it would have, and who made it is put out all the same.
#[test]
fn an_end_that_is_under_way_saves_nobody() {
    with_chain(|| {
        let made = Made::active(&[300]);
        let evidence = evidence(0, made.block(0));
        announce(&evidence);
        assert_ok!(DatDot::declare_lost(signed(HOSTER), 0));
        run(2);
        assert_eq!(report(REPORTER, 0, &evidence), Ok(Pays::No));
        run(times().seed_delay - 2);
        happened(Event::CopyEnded { copy: 0, reason: CopyEnd::Lost });
        assert_eq!(is_open(), (true, true));
        run(2);
        assert_eq!(is_open(), (false, false));
        assert!(!events().iter().any(|event| matches!(event, Event::CopyEnded { .. })));
        assert!(!copy(0).dropping);
    });
}

/// After its end a copy may be reported as long as its records stand, and they stand until all is done.
#[test]
fn a_copy_that_ended_is_reported_until_its_records_go() {
    with_chain(|| {
        let made = Made::active(&[300]);
        let evidence = evidence(0, made.block(0));
        // Nothing more is asked of anybody.
        assert_ok!(DatDot::end_plan(signed(SPONSOR), 0));
        run_until(0, CopyState::Ended);
        run_to(copy(0).ended.unwrap() + 3 * times().era - 5);
        announce(&evidence);
        assert_eq!(report(REPORTER, 0, &evidence), Ok(Pays::No));
        assert_eq!((reputation(HOSTER), is_open()), (MIN_REPUTATION, (true, true)));
        next_block();
        assert!(copy(0).unpunished() && Segments::<Test>::contains_key(0), "they wait");
        run(times().seed_delay - 1);
        assert_eq!(is_open(), (false, false));
        next_block();
        assert!(!Copies::<Test>::contains_key(0) && !Segments::<Test>::contains_key(0));
        refused!(report(REPORTER, 0, &evidence), NoSuchCopy);
    });
}

/// A copy that was never whole: one segment is confirmed, the next is not begun, or not confirmed yet.
#[test]
fn a_copy_in_the_making_ends_too() {
    with_chain(|| {
        let made = Made::new(&[600 * 256]);
        run_until(0, CopyState::Assigned);
        // Who goes on after it.
        register(ENCODER + 1);
        offer_encoding(ENCODER + 1);
        begin(0);
        run_until(0, CopyState::Encoding);
        let unconfirmed = Evidence { segment: 0, sector: 0, opening: tree(0, 600).open(0), block: made.block(0) };
        refused!(report(REPORTER, 0, &unconfirmed), WrongSegment);
        confirm_bytes(0, 256 * 256, tree(0, 256).root());
        let evidence = evidence(255, made.block(0));
        announce(&evidence);
        assert_eq!(report(REPORTER, 0, &evidence), Ok(Pays::No));
        let taken = collateral(600) + bond();
        let reward = taken / 4;
        let reported = Event::EncodingReported { copy: 0, segment: 0, account: account(REPORTER), taken, reward };
        assert_eq!(last_event(), reported);
        run(times().seed_delay);
        happened(Event::CopyEnded { copy: 0, reason: CopyEnd::Invalid });
        assert_eq!(is_open(), (false, false));
        let other = Encoders::<Test>::get(account(ENCODER + 1)).unwrap();
        assert_eq!((other.open, other.jobs), (true, 0), "it only lost the job");
    });
}

/// Encoders that cannot get the feed let a copy stay as it is; one that was reported ends all the same.
#[test]
fn a_drop_that_spares_a_growing_copy_does_not_hide_a_report() {
    with_chain(|| {
        let made = Made::active(&[300]);
        let evidence = evidence(0, made.block(0));
        announce(&evidence);
        Copies::<Test>::mutate(0, |copy| DatDot::arm_drop(0, copy.as_mut().unwrap(), CopyEnd::NoData));
        next_block();
        assert_eq!(report(REPORTER, 0, &evidence), Ok(Pays::No));
        run(times().seed_delay - 1);
        assert_eq!((copy(0).state, copy(0).dropping), (CopyState::Active, true));
        next_block();
        happened(Event::CopyEnded { copy: 0, reason: CopyEnd::Invalid });
    });
}

/// Who did not commit to it, or not long enough ago, does not get it into a block.
#[test]
fn only_committed_reports_get_into_a_block() {
    with_chain(|| {
        let made = Made::active(&[300]);
        let evidence = evidence(0, made.block(0));
        let taken = |n: u64, evidence: &Evidence| {
            let call = crate::Call::report_invalid_encoding { copy: 0, evidence: evidence.clone() };
            let (call, info) = (RuntimeCall::DatDot(call), DispatchInfo::default());
            let source = TransactionSource::External;
            CheckParty::<Test>::default().validate_only(signed(n), &call, &info, 0, source, 0).is_ok()
        };
        assert!(!taken(REPORTER, &evidence));
        commit(REPORTER, 0, &evidence);
        run(3);
        assert!(!taken(REPORTER, &evidence));
        next_block();
        assert!(taken(REPORTER, &evidence) && !taken(STRANGER, &evidence));
        assert!(!taken(REPORTER, &Evidence { sector: 1, ..evidence.clone() }));
    });
}
