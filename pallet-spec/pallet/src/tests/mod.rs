//! Tests of the pallet: every call, deadline and draw of the specification, on a runtime of three pallets.

mod feeds;
mod mock;
mod trees;
mod world;

mod deadlines;
mod declines;
mod fuzz;
mod heads;
mod life;
mod peers;
mod placement;
mod plans;
mod ranges;
mod retrieval;
mod root;
mod segments;
mod settlement;
mod storage;
mod sums;
mod vectors;
