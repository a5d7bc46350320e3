//! Tests of the pallet: every call, deadline and draw of the specification, on a runtime of three pallets.

mod feeds;
mod mock;
mod trees;
mod world;

mod amend;
mod bounds;
mod classes;
mod committees;
mod deadlines;
mod declines;
mod ends;
mod evidence;
mod fraud;
mod fuzz;
mod heads;
mod ladder;
mod life;
mod live;
mod needs;
mod peers;
mod placement;
mod plans;
mod ranges;
mod ratio;
mod reports;
mod retrieval;
mod root;
mod segments;
mod settlement;
mod stalls;
mod storage;
mod sums;
mod turmoil;
mod validity;
mod vectors;
