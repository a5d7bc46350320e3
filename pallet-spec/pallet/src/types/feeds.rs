//! Hypercores: heads, roots, ranges of blocks and the tree nodes that prove their bytes.

use super::{
    bounds::{MaxManifest, MaxRoots},
    Key, Signature,
};
use codec::{Decode, DecodeWithMemTracking, Encode, MaxEncodedLen};
use frame_support::BoundedVec;
use scale_info::TypeInfo;
use sp_core::H256;

/// A root of a hypercore's tree, left to right.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo)]
#[scale_info(capture_docs = "always")]
pub struct Root {
    pub hash: H256,
    pub size: u64,
}

/// A feed's signed head as `publish_plan` takes it.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo)]
#[scale_info(capture_docs = "always")]
pub struct SignedHead {
    /// The hypercore's key.
    pub key: Key,
    /// Empty for a compat key, else the manifest of one signer (v0: 68 bytes, v1: 70 bytes).
    pub manifest: BoundedVec<u8, MaxManifest>,
    pub fork: u64,
    /// Blocks.
    pub length: u64,
    pub roots: BoundedVec<Root, MaxRoots>,
    /// The raw ed25519 signature, without hypercore's container.
    pub signature: Signature,
}

/// A feed's head: what of it is signed.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo, Copy)]
#[scale_info(capture_docs = "always")]
pub struct Head {
    pub fork: u64,
    pub length: u64,
    pub byte_length: u64,
    pub tree_hash: H256,
}

/// Blocks [start, end) of a feed, as `publish_plan` takes them.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo, Copy)]
#[scale_info(capture_docs = "always")]
pub struct BlockRange {
    pub start: u64,
    pub end: u64,
}

/// Blocks [start, end) of a feed, and the bytes [first_byte, first_byte + bytes) that they are in it.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo, Copy)]
#[scale_info(capture_docs = "always")]
pub struct Range {
    pub start: u64,
    pub end: u64,
    pub first_byte: u64,
    pub bytes: u64,
}

/// An opened node of a hypercore's tree: its hash is H(0x01 | size | left | right).
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo)]
#[scale_info(capture_docs = "always")]
pub struct OpenedNode {
    /// Flat-tree index, odd.
    pub index: u64,
    pub size: u64,
    pub left: H256,
    pub right: H256,
}
