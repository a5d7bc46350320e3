//! Committees and verdicts where things go on around them: holes among the slots, copies that grow, announced pauses.

use super::{feeds::*, mock::*, retrieval::*, world::*};
use crate::{crypto::draw, types::*, Event, Hosters, Peers};
use frame_support::assert_ok;

/// 144 slots taken and given back at once leave as many holes for ever: they cost a fee, and thin no committee.
#[test]
fn holes_do_not_thin_a_committee() {
    with_chain(|| {
        for n in 40..49 {
            register(n);
            offer_attesting(n, 16);
            assert_eq!(free(n), ENDOWMENT - UNIT - 16 * (10 * UNIT + UNIT / 2));
            assert_ok!(DatDot::withdraw_offer(signed(n), Role::Attesting));
        }
        let attesters = all(9);
        for n in &attesters {
            register(*n);
            offer_attesting(*n, 1);
        }
        providers(&[HOSTER], &[ENCODER]);
        let copy = active_copy(3);
        let (mut seated, mut thin) = (0, 0);
        for era in 5..10 {
            to_commits(era);
            assert_eq!((crate::HoleCount::<Test>::get(), crate::SlotCount::<Test>::get()), (144, 153));
            commit_all(era, copy, &attesters, |_| not_served());
            let ids = [&copy.to_le_bytes()[..], &era.to_le_bytes()[..]].concat();
            let mut expected = Vec::new();
            for ctr in 0..SEAT_DRAWS {
                let slot = (draw(5, seed_of(1, era * 24), &ids, ctr) % 153) as u64;
                if slot >= 144 && !expected.contains(&(ATTESTER + slot - 144)) {
                    expected.push(ATTESTER + slot - 144);
                    thin += u32::from(ctr < 9);
                }
            }
            assert_eq!(seats(era, copy), expected, "era {era}");
            seated += expected.len() as u32;
        }
        assert!(seated >= 5 * 4 && thin < 5, "{seated} seats in five eras; nine draws would have given {thin}");
    });
}

#[test]
fn a_committee_is_full_with_its_seats() {
    with_chain(|| {
        let attesters = all(14);
        let copy = tested(&attesters);
        to_commits(2);
        commit_all(2, copy, &attesters, |_| not_served());
        assert_eq!(seats(2, copy).len(), 9);
    });
}

/// A live plan of so many blocks of two sectors each, with one active copy.
fn live_copy(blocks: usize) -> CopyId {
    let id = crate::NextCopy::<Test>::get();
    publish_with(&Feed::new(Kind::Compat, 7, &vec![512; blocks]), Terms { live: true, ..terms(1) }, GENEROUS);
    activate(id);
    id
}

/// It is tested while it grows, over the sectors that it had when the era began.
#[test]
fn a_copy_that_grows_is_tested_as_it_was_when_the_era_began() {
    with_chain(|| {
        for n in all(3) {
            register(n);
            offer_attesting(n, SLOTS);
        }
        providers(&[HOSTER], &[ENCODER]);
        let id = live_copy(4);
        serve_to(plan(0).next_tick + 1);
        let longer = Feed::new(Kind::Compat, 7, &[512; 16]);
        let nodes = longer.extension(4).try_into().unwrap();
        assert_ok!(DatDot::update_head(signed(STRANGER), 0, longer.head(), nodes));
        serve_to(plan(0).next_tick);
        assert_eq!((era(), copy(id).state, copy(id).sectors), (2, CopyState::Accepted, 32));
        to_commits(2);
        assert!(copy(id).state != CopyState::Active);
        let probes = commit_all(2, id, &all(3), |_| served(9, 9));
        assert!(!probes.is_empty());
        if copy(id).state == CopyState::Assigned {
            begin(id);
        }
        run_until(id, CopyState::Encoding);
        confirm(id);
        assert_eq!((era(), copy(id).segments.len(), copy(id).stored), (2, 2, 32));
        to_reveals(2);
        probes.iter().for_each(|probe| assert_eq!(probe.reveal(), Ok(())));
        // From the next era on all of it is probed.
        to_commits(3);
        let probes = commit_all(3, id, &all(3), |_| served(9, 9));
        assert!(!probes.is_empty());
        to_reveals(3);
        probes.iter().for_each(|probe| assert_eq!(probe.reveal(), Ok(())));
    });
}

/// Era 2 are the blocks 48 to 71; a pause of block c is from c + 30 to c + 36.
#[test]
fn an_announced_pause_that_touches_the_era_excuses() {
    for (paused, verdict) in
        [(11, Verdict::Failed), (12, Verdict::Void), (30, Verdict::Void), (41, Verdict::Void), (42, Verdict::Failed)]
    {
        with_chain(|| {
            let copy = tested(&all(3));
            to_commits(2);
            let probes = commit_all(2, copy, &all(3), |_| not_served());
            assert_eq!(probes.len(), 3);
            to_reveals(2);
            probes.iter().for_each(|probe| assert_eq!(probe.reveal(), Ok(())));
            to_settle(2);
            Hosters::<Test>::mutate(account(HOSTER), |hoster| hoster.as_mut().unwrap().pause = Some(paused));
            let (before, strikes) = (reputation(HOSTER), super::world::copy(copy).strikes);
            assert_ok!(settle(2, copy));
            happened(Event::RetrievalSettled {
                era: 2,
                copy,
                verdict,
                reports: 3,
                fails: 3,
                latency_ms: 0,
                kib_per_s: 0,
            });
            let failed = u32::from(verdict == Verdict::Failed);
            let after = super::world::copy(copy);
            assert_eq!((after.strikes, after.judged, after.fails), (strikes + failed, 2, failed as u8), "{paused}");
            assert_eq!(Peers::<Test>::get(account(HOSTER)).unwrap().failed, failed);
            assert_eq!(reputation(HOSTER) < before, failed == 1);
        });
    }
}
