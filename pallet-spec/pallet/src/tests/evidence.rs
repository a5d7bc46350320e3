//! What shows that a sector does not decode to its feed: on random feeds, ranges and segments, honest and with one wrong byte.

use super::{feeds::*, world::modulus};
use crate::{crypto::hash, evidence::proves, types::*};
use datdot_encoding::{decode_sector, Modulus};
use sp_core::H256;
use sp_runtime::AccountId32;

/// Numbers that look random, the same in every run.
struct Draws(u64);

impl Draws {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 += 1;
        crate::crypto::low(hash(&[b"draw", &self.0.to_le_bytes()])) as u64 % bound
    }

    fn bytes(&mut self, length: u64) -> Vec<u8> {
        (0..length).map(|_| self.below(256) as u8).collect()
    }
}

/// A feed of up to 13 blocks, one or two ranges of it, and a segment of the copy stream.
struct Life {
    feed: Feed,
    blocks: Vec<Vec<u8>>,
    ranges: Vec<Range>,
    segment: Segment,
    stream: Vec<u8>,
}

const MODULUS: u64 = 5;

fn salt() -> H256 {
    H256::repeat_byte(7)
}

/// What a sector of these bytes decodes to: what is encoded of it, as nobody here can encode.
fn decoded(sector: u64, data: &Sector) -> Sector {
    decode_sector(&Modulus::new(&modulus(MODULUS)).unwrap(), &salt().0, sector, data)
}

impl Life {
    /// The plaintext is whatever the sectors of the segment, drawn first, decode to; what is around it is drawn.
    fn new(draws: &mut Draws, sectors: &[Sector]) -> Option<Life> {
        let plain: Vec<u8> = sectors.iter().enumerate().flat_map(|(i, data)| decoded(i as u64, data)).collect();
        let before = 256 * draws.below(3);
        let whole = [draws.bytes(before), plain, draws.bytes(300)].concat();
        let mut blocks = Vec::new();
        let mut at = 0;
        while at < whole.len() {
            let size = [0, 1, 10, 100, 255, 256, 257, 700][draws.below(8) as usize].min(whole.len() - at);
            blocks.push(whole[at..at + size].to_vec());
            at += size;
        }
        // In front of all, and left out between two ranges: blocks that are not hosted.
        let (front, gap) = (2 * draws.below(2), 2 * draws.below(3));
        let cut = 2 * draws.below(blocks.len() as u64 / 2 + 1);
        let other = |draws: &mut Draws, count: u64| (0..count).map(|_| draws.bytes(30)).collect::<Vec<_>>();
        let mut all = other(draws, front);
        all.extend_from_slice(&blocks[..cut as usize]);
        all.extend(other(draws, gap));
        all.extend_from_slice(&blocks[cut as usize..]);
        let feed = Feed::of_blocks(Kind::Compat, 7, &all);
        let offset = |block: u64| all[..block as usize].iter().map(|data| data.len() as u64).sum::<u64>();
        let range = |start: u64, end: u64| {
            let first_byte = offset(start);
            Range { start, end, first_byte, bytes: offset(end) - first_byte }
        };
        let length = all.len() as u64;
        let (one, two) = (range(front, front + cut), range(front + cut + gap, length));
        let ranges = [one, two].into_iter().filter(|range| range.start < range.end).collect();
        let byte_length = offset(length);
        let segment = Segment {
            copy: 0,
            encoder: AccountId32::new([0; 32]),
            profile: PROFILE_P1,
            pk_hash: H256::zero(),
            begun: 0,
            salt: Some(salt()),
            first_byte: before,
            bytes: 256 * sectors.len() as u64,
            sectors: sectors.len() as u64,
            root: H256::zero(),
            head: Head { fork: 0, length, byte_length, tree_hash: feed.tree_hash() },
            half: 0,
        };
        (feed.roots().iter().map(|root| root.size).sum::<u64>() == byte_length).then_some(())?;
        Some(Life { feed, blocks: all, ranges, segment, stream: whole })
    }

    fn proof(&self, index: u64) -> BlockProof {
        self.feed.block(index, &self.blocks[index as usize])
    }

    fn shows(&self, sector: u64, data: &Sector, block: Option<BlockProof>) -> bool {
        let opening = Opening { data: *data, siblings: Default::default() };
        let evidence = Evidence { segment: 0, sector, opening, block };
        proves(&evidence, &self.segment, &modulus(MODULUS), &self.ranges)
    }

    fn shown_by(&self, sector: u64, data: &Sector) -> Vec<u64> {
        (0..self.feed.length).filter(|index| self.shows(sector, data, Some(self.proof(*index)))).collect()
    }
}

fn draw_sectors(draws: &mut Draws) -> Vec<Sector> {
    (0..1 + draws.below(4)).map(|_| draws.bytes(256).try_into().unwrap()).collect()
}

/// No block shows anything against a sector that decodes to the feed; of a wrong one, exactly the blocks that it touches in a
/// wrong byte do, and none that is not proven.
#[test]
fn exactly_the_wrong_are_shown_by_exactly_their_blocks() {
    let draws = &mut Draws(0);
    let mut spoiled = 0;
    for _ in 0..150 {
        let sectors = draw_sectors(draws);
        let life = Life::new(draws, &sectors).unwrap();
        let sector = draws.below(sectors.len() as u64);
        let right = sectors[sector as usize];
        assert_eq!(life.shown_by(sector, &right), Vec::<u64>::new());
        assert!(!life.shows(sector, &right, None));
        let mut wrong = right;
        wrong[draws.below(256) as usize] ^= 1 << draws.below(8);
        let (theirs, first) = (decoded(sector, &wrong), (life.segment.first_byte + 256 * sector) as usize);
        // By each block of the ranges in turn: where it is in the stream, and whether a byte of it differs there.
        let (mut at, mut wanted) = (0, Vec::new());
        for index in life.ranges.iter().flat_map(|range| range.start..range.end) {
            let end = at + life.blocks[index as usize].len();
            let common = at.max(first)..end.min(first + 256);
            if common.clone().any(|place| theirs[place - first] != life.stream[place]) {
                wanted.push(index);
            }
            at = end;
        }
        assert!(!wanted.is_empty());
        assert_eq!(life.shown_by(sector, &wrong), wanted);
        let good = life.proof(wanted[0]);
        for bad in spoil(&good, &life) {
            assert!(!life.shows(sector, &wrong, Some(bad.clone())), "{bad:?}");
            spoiled += 1;
        }
    }
    assert!(spoiled > 1_000);
}

/// Proofs of a block that lead to no root of the segment's head.
fn spoil(good: &BlockProof, life: &Life) -> Vec<BlockProof> {
    let with = |change: &dyn Fn(&mut BlockProof)| {
        let mut one = good.clone();
        change(&mut one);
        one
    };
    let extra = Root { hash: H256::zero(), size: 0 };
    let mut found = vec![
        with(&|one| one.length += 1),
        with(&|one| one.length = 0),
        with(&|one| one.length = u64::MAX),
        with(&|one| one.index = one.length),
        with(&|one| one.index = u64::MAX),
        with(&|one| one.index ^= 1),
        with(&|one| one.data.try_push(0).unwrap()),
        with(&|one| one.data = Default::default()),
        with(&|one| one.roots = Default::default()),
        with(&|one| one.roots[0].size += 1),
        with(&|one| one.roots.try_push(extra.clone()).unwrap()),
        with(&|one| one.siblings.try_push(extra.clone()).unwrap()),
        with(&|one| one.siblings = vec![Root { hash: H256::zero(), size: u64::MAX }; 53].try_into().unwrap()),
    ];
    if !good.siblings.is_empty() {
        found.push(with(&|one| drop(one.siblings.pop())));
        found.push(with(&|one| one.siblings[0].size += 1));
        found.push(with(&|one| one.siblings[0].size = u64::MAX));
        found.push(with(&|one| one.siblings[0].hash = H256::zero()));
    }
    // A longer head of the same feed is none of the segment's.
    let longer = Feed::of_blocks(Kind::Compat, 7, &[&life.blocks[..], &[vec![1]]].concat());
    found.push(longer.block(good.index, &good.data));
    found.retain(|one| one != good);
    found
}

/// Where the plan grew since, the segment's blocks are where they were.
#[test]
fn a_plan_that_grew_proves_the_same() {
    let draws = &mut Draws(77);
    for _ in 0..20 {
        let sectors = draw_sectors(draws);
        let mut life = Life::new(draws, &sectors).unwrap();
        let wrong = [9; 256];
        let before = life.shown_by(0, &wrong);
        let last = life.ranges.last_mut().unwrap();
        (last.end, last.bytes) = (last.end + 10, last.bytes + 5_000);
        assert_eq!(life.shown_by(0, &wrong), before);
        assert_eq!(life.shown_by(0, &sectors[0]), Vec::<u64>::new());
    }
}

/// The last sector's bytes behind the end must be zeros; of what is before, the padding shows nothing, and a block nothing
/// about the padding.
#[test]
fn padding_is_zeros() {
    let draws = &mut Draws(5);
    let sectors = draw_sectors(draws);
    let plain = decoded(0, &sectors[0]);
    for used in [1u64, 100, 255] {
        let mut life = Life::new(draws, &sectors[..1]).unwrap();
        life.segment.bytes = used;
        let dirty = plain[used as usize..].iter().any(|byte| *byte != 0);
        assert_eq!(life.shows(0, &sectors[0], None), dirty);
        assert_eq!(life.shown_by(0, &sectors[0]), Vec::<u64>::new());
    }
}

/// Whatever a segment lacks, nothing is shown.
#[test]
fn a_segment_without_salt_or_modulus_shows_nothing() {
    let draws = &mut Draws(9);
    let sectors = draw_sectors(draws);
    let mut life = Life::new(draws, &sectors).unwrap();
    let wrong = [9; 256];
    let block = Some(life.proof(life.shown_by(0, &wrong)[0]));
    let opening = Opening { data: wrong, siblings: Default::default() };
    let evidence = Evidence { segment: 0, sector: 0, opening, block: block.clone() };
    assert!(!proves(&evidence, &life.segment, &[0; 256], &life.ranges));
    assert!(!proves(&evidence, &life.segment, &modulus(MODULUS), &[]));
    life.segment.salt = None;
    assert!(!life.shows(0, &wrong, block));
}
