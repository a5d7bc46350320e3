//! Segments: begin, salt, confirmation, partial ones.

use super::{feeds::*, mock::*, world::*};
use crate::{crypto, refused, types::*, Changes, Copies, Encoders, Event, Hosters, Moduli, UsedModuli};
use frame_support::assert_ok;
use sp_core::H256;
use sp_runtime::DispatchResult;

fn begin_as(n: u64, id: CopyId, modulus: Sector, profile: u8) -> DispatchResult {
    DatDot::begin_segment(signed(n), id, modulus, profile).map(|_| ()).map_err(|refused| refused.error)
}

/// A copy of that many sectors whose encoder is drawn.
fn assigned(sectors: u64) {
    providers(&[HOSTER], &[ENCODER]);
    publish(sectors, 1);
    run_until(0, CopyState::Assigned);
}

#[test]
fn begin_commits_a_fresh_modulus() {
    with_chain(|| {
        assigned(3);
        let modulus = modulus(5);
        assert_ok!(begin_as(ENCODER, 0, modulus, PROFILE_P1));
        let (pk_hash, begun) = (crypto::pk_hash(&modulus), now());
        let event =
            Event::SegmentBegun { copy: 0, segment: 0, encoder: account(ENCODER), pk_hash, salt_block: begun + 4 };
        assert_eq!(last_event(), event);
        let expected = Segment {
            copy: 0,
            encoder: account(ENCODER),
            profile: 1,
            pk_hash,
            begun,
            salt: None,
            first_byte: 0,
            bytes: 0,
            sectors: 0,
            root: H256::zero(),
            head: plan(0).head,
            half: 0,
        };
        assert_eq!(segment(0), expected);
        assert_eq!(Moduli::<Test>::get(0), Some(modulus));
        assert_eq!(UsedModuli::<Test>::get(crypto::hash(&[&modulus])), Some(0));
        assert_eq!((copy(0).state, copy(0).current), (CopyState::Begun, Some(0)));
        refused!(begin_as(ENCODER, 0, super::world::modulus(6), PROFILE_P1), WrongState);
    });
}

#[test]
fn begin_refuses_strangers_profiles_and_bad_moduli() {
    with_chain(|| {
        assigned(3);
        refused!(begin_as(ENCODER, 9, modulus(1), PROFILE_P1), NoSuchCopy);
        refused!(begin_as(HOSTER, 0, modulus(1), PROFILE_P1), NotParty);
        for profile in [0, 2, 255] {
            refused!(begin_as(ENCODER, 0, modulus(1), profile), BadProfile);
        }
        let good = modulus(1);
        let mut low = good;
        low[7] = 0xef;
        let mut even = good;
        even[255] -= 1;
        for bad in [[0; 256], [0xff; 256], low, even] {
            refused!(begin_as(ENCODER, 0, bad, PROFILE_P1), BadModulus);
        }
        for prime in [3, 1_021, 4_093] {
            refused!(begin_as(ENCODER, 0, multiple_of(prime), PROFILE_P1), BadModulus);
        }
        assert!(crypto::valid_modulus(&multiple_of(4_099)), "4,099 is the first prime that may divide it");
        assert_ok!(begin_as(ENCODER, 0, good, PROFILE_P1));
    });
}

/// An odd number in the bound that `prime` divides and no other small prime does.
fn multiple_of(prime: u64) -> Sector {
    let small: Vec<u64> =
        (3..4_096u64).step_by(2).filter(|n| (3..=64).step_by(2).all(|d| d >= *n || n % d != 0)).collect();
    let rest = |number: &Sector, d: u64| number.iter().fold(0u64, |rest, byte| (rest << 8 | u64::from(*byte)) % d);
    let mut number = [0xff; 256];
    for low in (1..u32::MAX).step_by(2) {
        number[252..].copy_from_slice(&low.to_be_bytes());
        if rest(&number, prime) == 0 && small.iter().all(|d| *d == prime || rest(&number, *d) != 0) {
            return number;
        }
    }
    unreachable!("one in some thousand numbers is such a multiple")
}

#[test]
fn a_modulus_is_taken_once_for_ever() {
    with_chain(|| {
        providers(&[HOSTER], &[ENCODER]);
        publish(3, 1);
        publish(3, 1);
        run_until(1, CopyState::Assigned);
        assert_ok!(begin_as(ENCODER, 0, modulus(1), PROFILE_P1));
        refused!(begin_as(ENCODER, 1, modulus(1), PROFILE_P1), ModulusUsed);
        run_until(0, CopyState::Encoding);
        confirm(0);
        assert_ok!(DatDot::end_plan(signed(SPONSOR), 0));
        run_while(|| Copies::<Test>::contains_key(0));
        assert!(!Moduli::<Test>::contains_key(0), "the modulus itself goes with the records");
        publish(3, 1);
        offer_encoding(ENCODER);
        offer_hosting(HOSTER, CAPACITY);
        let id = crate::NextCopy::<Test>::get();
        run_until(id, CopyState::Assigned);
        refused!(begin_as(ENCODER, id, modulus(1), PROFILE_P1), ModulusUsed);
    });
}

#[test]
fn the_salt_is_drawn_seed_delay_later_and_from_that_blocks_seed() {
    with_chain(|| {
        assigned(3);
        let begun = now();
        begin(0);
        run(3);
        assert_eq!((copy(0).state, segment(0).salt), (CopyState::Begun, None));
        next_block();
        let plan = plan(0);
        let seed = seed_of(1, begun + 4);
        let chain_rand = crypto::hash(&[b"datdot/v1/draw\0\x06", seed.as_bytes(), &0u64.to_le_bytes()]);
        let contract = crypto::hash(&[b"datdot/v1/copy\0", genesis().as_bytes(), &0u64.to_le_bytes()]);
        let (encoder, hoster, genesis, pk_hash) = (account(ENCODER), account(HOSTER), genesis(), segment(0).pk_hash);
        let parts: [&[u8]; 10] = [
            b"repenc/v1/salt",
            &[1],
            genesis.as_bytes(),
            contract.as_bytes(),
            encoder.as_ref(),
            hoster.as_ref(),
            &plan.feed,
            plan.head.tree_hash.as_bytes(),
            chain_rand.as_bytes(),
            pk_hash.as_bytes(),
        ];
        let salt = crypto::hash(&parts);
        happened(Event::SaltDrawn { copy: 0, segment: 0, chain_rand, salt });
        assert_eq!((segment(0).salt, copy(0).state), (Some(salt), CopyState::Encoding));
    });
}

#[test]
fn confirmation_pays_the_first_half_and_receiving() {
    with_chain(|| {
        providers(&[HOSTER], &[ENCODER]);
        let sectors = 5 << 20;
        publish(sectors, 1);
        run_until(0, CopyState::Assigned);
        begin(0);
        run_until(0, CopyState::Encoding);
        let (hoster, encoder, reserve) = (free(HOSTER), free(ENCODER), copy(0).reserve);
        let root = H256::repeat_byte(9);
        confirm_bytes(0, sectors * SECTOR, root);
        let fee = ASK_ENCODING * 5 / 4;
        let receiving = ASK_RECEIVING * 5 / 4;
        assert_eq!((free(ENCODER), free(HOSTER)), (encoder + fee / 2, hoster + receiving));
        assert_eq!(copy(0).reserve, reserve - fee / 2 - receiving);
        assert_eq!((copy(0).halves, segment(0).half), (fee - fee / 2, fee - fee / 2));
        assert_eq!(crate::Minted::<Test>::get(), fee / 2 + receiving);
        let paid = |n, amount, what| Event::Paid { copy: 0, account: account(n), amount, what };
        let bytes = sectors * SECTOR;
        let expected = vec![
            Event::SegmentConfirmed { copy: 0, segment: 0, first_byte: 0, bytes, sectors, root },
            paid(ENCODER, fee / 2, Payment::FirstHalf),
            paid(HOSTER, receiving, Payment::Receiving),
            Event::CopyActive { copy: 0 },
        ];
        let confirmed = events();
        assert_eq!(confirmed[confirmed.len() - 4..], expected);
        let copy = copy(0);
        assert_eq!(
            (copy.state, copy.encoder.clone(), copy.encoders.to_vec()),
            (CopyState::Active, None, vec![account(ENCODER)])
        );
        assert_eq!(
            (copy.stored, copy.stored_bytes, copy.first_confirmed, copy.active_since),
            (sectors, bytes, Some(now()), Some(now()))
        );
        assert_eq!(Hosters::<Test>::get(account(HOSTER)).unwrap().stored, sectors);
        let state = Encoders::<Test>::get(account(ENCODER)).unwrap();
        assert_eq!((state.jobs, state.unreleased, state.halves), (0, fee - fee / 2, 1));
        // The second half: two eras later.
        run(47);
        assert_eq!(free(ENCODER), encoder + fee / 2);
        next_block();
        happened(paid(ENCODER, fee - fee / 2, Payment::SecondHalf));
        assert_eq!(free(ENCODER), encoder + fee);
        let state = Encoders::<Test>::get(account(ENCODER)).unwrap();
        assert_eq!((state.unreleased, state.halves), (0, 0));
    });
}

#[test]
fn the_encoder_may_confirm_with_the_hosters_signature() {
    with_chain(|| {
        assigned(3);
        begin(0);
        run_until(0, CopyState::Encoding);
        let root = tree(0, 3).root();
        let hosters = statement(0, 768, root, HOSTER);
        let encoders = statement(0, 768, root, ENCODER);
        let confirm = |n, signature| DatDot::confirm_segment(signed(n), 0, 0, 768, root, signature);
        refused!(confirm(STRANGER, hosters), NotParty);
        refused!(confirm(ENCODER, encoders), BadSignature);
        refused!(confirm(HOSTER, hosters), BadSignature);
        let mut small = hosters;
        small[..32].copy_from_slice(&[0; 32]);
        refused!(confirm(ENCODER, small), SmallOrderKey);
        assert_ok!(confirm(ENCODER, hosters));
        assert_eq!(copy(0).state, CopyState::Active);
        refused!(confirm(HOSTER, encoders), WrongState);
    });
}

#[test]
fn confirmation_refuses_what_is_not_its_segment() {
    with_chain(|| {
        assigned(3);
        let any = [7; 64];
        let call =
            |copy, segment, bytes, root| DatDot::confirm_segment(signed(HOSTER), copy, segment, bytes, root, any);
        refused!(call(4, 0, 768, H256::zero()), NoSuchCopy);
        refused!(call(0, 0, 768, H256::zero()), WrongState);
        begin(0);
        refused!(call(0, 0, 768, H256::zero()), WrongState);
        run_until(0, CopyState::Encoding);
        refused!(call(0, 1, 768, H256::zero()), WrongSegment);
        for bytes in [0, 256, 512, 767, 769, 1_024, u64::MAX] {
            refused!(call(0, 0, bytes, H256::zero()), BadSegmentBytes);
        }
        refused!(call(0, 0, 768, H256::zero()), BadSignature);
        // A signature over another root, another segment's bytes.
        let root = tree(0, 3).root();
        let signature = statement(0, 768, root, ENCODER);
        let other = DatDot::confirm_segment(signed(HOSTER), 0, 0, 768, H256::repeat_byte(1), signature);
        refused!(other, BadSignature);
        assert_ok!(DatDot::confirm_segment(signed(HOSTER), 0, 0, 768, root, signature));
    });
}

#[test]
fn a_confirmation_enters_the_copies_table_seed_delay_later() {
    with_chain(|| {
        assigned(3);
        begin(0);
        run_until(0, CopyState::Encoding);
        confirm(0);
        let change = Change::Confirmed { copy: 0, sectors: 3, encoder: Some(account(ENCODER)) };
        assert_eq!(Changes::<Test>::get(now() + 4).to_vec(), vec![change]);
        run(3);
        assert_eq!((copy(0).slot, copy(0).tabled, crate::StoringCount::<Test>::get()), (None, 0, 0));
        next_block();
        assert_eq!((copy(0).slot, copy(0).tabled), (Some(0), 3));
        assert_eq!(crate::Storing::<Test>::get(0), Some(account(HOSTER)));
        assert_eq!(Hosters::<Test>::get(account(HOSTER)).unwrap().place, Some(0));
    });
}

#[test]
fn a_copy_that_ended_meanwhile_does_not_enter() {
    with_chain(|| {
        assigned(3);
        begin(0);
        run_until(0, CopyState::Encoding);
        assert_ok!(DatDot::end_plan(signed(SPONSOR), 0));
        run(9);
        confirm(0);
        next_block();
        assert_eq!(copy(0).state, CopyState::Ended);
        run(4);
        assert_eq!((copy(0).slot, copy(0).tabled, crate::StoringCount::<Test>::get()), (None, 0, 0));
        assert_eq!(crate::EncoderDraws::<Test>::get(account(ENCODER)).unwrap().jobs, 0);
    });
}

const BIG: u64 = 9 * GIB + 100;
/// Sectors and bytes of the shortest partial segment, of 64 checkpoints.
const PART: u64 = 64 * Times::DEVELOPMENT.checkpoint as u64;
const PART_BYTES: u64 = PART * SECTOR;

/// A plan of a little more than 9 GiB, its encoder drawn.
fn big() {
    register(HOSTER);
    offer_hosting(HOSTER, 20 * GIB);
    providers(&[], &[ENCODER, ENCODER + 1]);
    let feed = Feed::new(Kind::Compat, 1, &[BIG]);
    publish_with(&feed, terms(1), 2 * GENEROUS);
    run_until(0, CopyState::Assigned);
}

#[test]
fn a_partial_segment_is_a_multiple_of_256_and_64_checkpoints_at_least() {
    with_chain(|| {
        big();
        begin(0);
        run_until(0, CopyState::Encoding);
        let root = H256::repeat_byte(1);
        let call = |bytes| DatDot::confirm_segment(signed(HOSTER), 0, 0, bytes, root, [7; 64]);
        // Below 64 checkpoints it is a salvage, of which there is one.
        Copies::<Test>::mutate(0, |copy| copy.as_mut().unwrap().stalls = 1);
        for bytes in [PART_BYTES - 256, PART_BYTES + 1, PART_BYTES + 100, BIG - 1, BIG + 156] {
            refused!(call(bytes), BadSegmentBytes);
        }
        for bytes in [PART_BYTES, PART_BYTES + 256, BIG - 100, BIG] {
            refused!(call(bytes), BadSignature);
        }
    });
}

#[test]
fn segments_follow_one_another_by_the_same_encoder() {
    with_chain(|| {
        big();
        let encoder = number(&copy(0).encoder.unwrap());
        let started = free(encoder);
        let price = |sectors: u64| ASK_ENCODING * u128::from(sectors) / (1 << 22);
        let total = BIG.div_ceil(256);
        assert_eq!(copy(0).fee, price(PART), "the job is paid for 64 checkpoints at most");
        let mut first_byte = 0;
        for (round, bytes) in [PART_BYTES, PART_BYTES + 256, BIG - 2 * PART_BYTES - 256].into_iter().enumerate() {
            assert_eq!(copy(0).state, CopyState::Assigned);
            let id = begin(0);
            assert_eq!(id, round as u64, "each segment has an id of its own");
            assert_eq!(segment(id).first_byte, first_byte);
            run_until(0, CopyState::Encoding);
            confirm_bytes(0, bytes, H256::repeat_byte(1));
            first_byte += bytes;
            let rest = total - copy(0).stored;
            let fee = if rest > 0 { price(rest.min(PART)) } else { 0 };
            let state = Encoders::<Test>::get(account(encoder)).unwrap();
            assert_eq!((copy(0).fee, state.unreleased, state.halves), (fee, copy(0).halves + fee, round as u32 + 1));
            if rest > 0 {
                assert_eq!(copy(0).encoder, Some(account(encoder)));
                assert_eq!(Encoders::<Test>::get(account(encoder)).unwrap().jobs, 1);
            }
        }
        let copy = copy(0);
        assert_eq!((copy.state, copy.stored, copy.stored_bytes), (CopyState::Active, total, BIG));
        assert_eq!(copy.encoders.to_vec(), vec![account(encoder)]);
        assert_eq!(copy.locate(0), Some((0, 0)));
        assert_eq!(copy.locate(PART - 1), Some((0, PART - 1)));
        assert_eq!(copy.locate(PART), Some((1, 0)));
        assert_eq!(copy.locate(total - 1), Some((2, total - 2 - 2 * PART)));
        assert_eq!(copy.locate(total), None);
        assert!(free(encoder) > started);
        run(4);
        assert_eq!(super::world::copy(0).tabled, total);
    });
}

#[test]
fn after_a_partial_segment_a_missed_begin_redraws_the_encoder_only() {
    with_chain(|| {
        big();
        let first = number(&copy(0).encoder.unwrap());
        begin(0);
        run_until(0, CopyState::Encoding);
        confirm_bytes(0, PART_BYTES, H256::repeat_byte(1));
        let confirmed = now();
        run_to(confirmed + 20);
        assert_eq!(copy(0).state, CopyState::Assigned);
        next_block();
        happened(Event::BeginMissed { copy: 0, encoder: account(first), burned: UNIT / 50 });
        assert_eq!((copy(0).state, copy(0).encoder), (CopyState::Accepted, None));
        let kept = copy(0).halves;
        assert_eq!(Encoders::<Test>::get(account(first)).unwrap().unreleased, kept, "the second half stays");
        run_until(0, CopyState::Assigned);
        let second = number(&copy(0).encoder.unwrap());
        assert_ne!(second, first, "a party does not encode anew");
        let id = begin(0);
        assert_eq!((segment(id).first_byte, segment(id).encoder.clone()), (PART_BYTES, account(second)));
        run_until(0, CopyState::Encoding);
        confirm_bytes(0, BIG - PART_BYTES, H256::repeat_byte(2));
        assert_eq!(copy(0).state, CopyState::Active);
        assert_eq!(copy(0).parties(), vec![account(HOSTER), account(first), account(second)]);
    });
}

/// The new reserve is counted from where the hoster was paid to: what it earned before would have no reserve any more.
#[test]
fn what_a_hoster_earned_is_paid_before_the_next_encoders_reserve_is_set() {
    with_chain(|| {
        big();
        begin(0);
        run_until(0, CopyState::Encoding);
        confirm_bytes(0, PART_BYTES, H256::repeat_byte(1));
        run(10);
        // As after a right proof of a hoster of the best reputation.
        Hosters::<Test>::mutate(account(HOSTER), |hoster| {
            let hoster = hoster.as_mut().unwrap();
            hoster.acc += u64::from(PPM * (now() - hoster.last));
            hoster.last = now();
        });
        let owed = |copy: Copy| {
            let acc = Hosters::<Test>::get(account(HOSTER)).unwrap().acc;
            let units = u128::from(copy.stored) * u128::from(acc) - copy.debt;
            ASK_DISK * units / (u128::from(GIB_SECTORS) * u128::from(times().era) * u128::from(PPM))
        };
        let due = owed(copy(0));
        assert!(due > 0);
        let (before, published) = (free(HOSTER), plan(0).published);
        run_until(0, CopyState::Accepted);
        run_until(0, CopyState::Assigned);
        assert!(now() < published + 2 * times().era && now() != published + times().era, "no tick paid it");
        happened(Event::Paid { copy: 0, account: account(HOSTER), amount: due, what: Payment::Storage });
        assert_eq!((free(HOSTER), owed(copy(0))), (before + due, 0));
    });
}

#[test]
fn a_segment_ends_padded_only_at_the_streams_end() {
    with_chain(|| {
        providers(&[HOSTER], &[ENCODER]);
        publish_with(&Feed::new(Kind::Compat, 1, &[700]), terms(1), GENEROUS);
        activate(0);
        assert_eq!((copy(0).stored, copy(0).stored_bytes, segment(0).bytes, segment(0).sectors), (3, 700, 700, 3));
    });
}

#[test]
fn the_256th_segment_must_be_the_last() {
    with_chain(|| {
        big();
        begin(0);
        run_until(0, CopyState::Encoding);
        let before = copy(0);
        let mut full = before.clone();
        for _ in 0..255 {
            full.segments.try_push(CopySegment { segment: 0, sectors: 0, since: 0 }).unwrap();
        }
        Copies::<Test>::insert(0, full);
        let call = |bytes| DatDot::confirm_segment(signed(HOSTER), 0, 0, bytes, H256::zero(), [7; 64]);
        refused!(call(PART_BYTES), TooManySegments);
        refused!(call(BIG), BadSignature);
        Copies::<Test>::insert(0, before);
    });
}
