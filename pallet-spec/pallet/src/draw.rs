//! The draw tables: weights, the entries' own copies, and where hosters, encoders and copies stand in them
//! (pallet-spec/README.md sections 5 and 6).

use crate::{
    money::mul_div,
    sums::{Nodes, Table},
    types::*,
    Config, CopyNodes, CopySlots, EncoderDraws, EncoderNodes, EncoderSlots, HosterDraws, HosterNodes, HosterSlots,
    Hosters, Pallet, Storing, StoringCount,
};
use core::marker::PhantomData;
use frame_support::traits::Defensive;
use sp_runtime::AccountId32;

/// Nodes of the table of hosters.
pub struct HosterTable<T>(PhantomData<T>);
/// Nodes of the table of encoders.
pub struct EncoderTable<T>(PhantomData<T>);
/// Nodes of one hoster's table of copies.
pub struct CopyTable<T>(AccountId32, PhantomData<T>);

impl<T: Config> Nodes for HosterTable<T> {
    const DEPTH: u32 = 3;
    fn get(&self, id: u32) -> Option<Node> {
        HosterNodes::<T>::get(id)
    }
    fn put(&mut self, id: u32, node: Node) {
        HosterNodes::<T>::insert(id, node)
    }
    fn remove(&mut self, id: u32) {
        HosterNodes::<T>::remove(id)
    }
}

impl<T: Config> Nodes for EncoderTable<T> {
    const DEPTH: u32 = 3;
    fn get(&self, id: u32) -> Option<Node> {
        EncoderNodes::<T>::get(id)
    }
    fn put(&mut self, id: u32, node: Node) {
        EncoderNodes::<T>::insert(id, node)
    }
    fn remove(&mut self, id: u32) {
        EncoderNodes::<T>::remove(id)
    }
}

impl<T: Config> Nodes for CopyTable<T> {
    const DEPTH: u32 = 2;
    fn get(&self, id: u32) -> Option<Node> {
        CopyNodes::<T>::get(&self.0, id)
    }
    fn put(&mut self, id: u32, node: Node) {
        CopyNodes::<T>::insert(&self.0, id, node)
    }
    fn remove(&mut self, id: u32) {
        CopyNodes::<T>::remove(&self.0, id)
    }
}

pub fn hoster_table<T: Config>() -> Table<HosterTable<T>> {
    Table(HosterTable(PhantomData))
}

pub fn encoder_table<T: Config>() -> Table<EncoderTable<T>> {
    Table(EncoderTable(PhantomData))
}

pub fn copy_table<T: Config>(hoster: &AccountId32) -> Table<CopyTable<T>> {
    Table(CopyTable(hoster.clone(), PhantomData))
}

/// A due: per GiB x bytes / 2^30, rounded down.
pub fn collateral_due(per_gib: Balance, bytes: u64) -> Balance {
    mul_div([per_gib, bytes.into(), 1], GIB.into())
}

/// Weight of a hoster's entry.
pub fn hoster_weight(draw: &HosterDraw, amounts: &Amounts) -> u64 {
    if !draw.open || draw.collateral < collateral_due(amounts.collateral, draw.capacity) {
        return 0;
    }
    let free = draw.capacity.saturating_sub(draw.used).div_ceil(GIB).min(1_024);
    free * u64::from(draw.reputation / 1_000)
}

/// Weight of an encoder's entry.
pub fn encoder_weight(draw: &EncoderDraw, amounts: &Amounts) -> u64 {
    if !draw.open || draw.jobs >= JOBS || draw.bond < amounts.encoder_bond {
        return 0;
    }
    u64::from(draw.reputation / 1_000)
}

impl<T: Config> Pallet<T> {
    /// Changes a hoster's entry of the draw table; it takes a slot when it is first in.
    pub(crate) fn draw_hoster(account: &AccountId32, change: impl FnOnce(&mut HosterDraw)) {
        let Some(mut draw) = HosterDraws::<T>::get(account) else { return };
        change(&mut draw);
        let weight = hoster_weight(&draw, &Self::amounts());
        let mut table = hoster_table::<T>();
        match draw.slot {
            Some(slot) => table.set(slot, weight),
            None if draw.open => {
                // A table has room for all that may ever offer.
                draw.slot = table.take(weight).defensive();
                if let Some(slot) = draw.slot {
                    HosterSlots::<T>::insert(slot, account);
                }
            },
            None => (),
        }
        HosterDraws::<T>::insert(account, draw);
    }

    /// Changes an encoder's entry of the draw table; it takes a slot when it is first in.
    pub(crate) fn draw_encoder(account: &AccountId32, change: impl FnOnce(&mut EncoderDraw)) {
        let Some(mut draw) = EncoderDraws::<T>::get(account) else { return };
        change(&mut draw);
        let weight = encoder_weight(&draw, &Self::amounts());
        let mut table = encoder_table::<T>();
        match draw.slot {
            Some(slot) => table.set(slot, weight),
            None if draw.open => {
                // A table has room for all that may ever offer.
                draw.slot = table.take(weight).defensive();
                if let Some(slot) = draw.slot {
                    EncoderSlots::<T>::insert(slot, account);
                }
            },
            None => (),
        }
        EncoderDraws::<T>::insert(account, draw);
    }

    /// Confirmed sectors enter the hoster's copies table, and the hoster the list of those that store something.
    pub(crate) fn table_copy(id: CopyId, copy: &mut Copy, sectors: u64) {
        let mut table = copy_table::<T>(&copy.hoster);
        if table.total() == 0 {
            Self::enter_list(&copy.hoster);
        }
        copy.tabled = copy.tabled.saturating_add(sectors);
        match copy.slot {
            Some(slot) => table.set(slot, copy.tabled),
            None => {
                // The table has room for all copies of a hoster that may live.
                copy.slot = table.take(copy.tabled).defensive();
                if let Some(slot) = copy.slot {
                    CopySlots::<T>::insert(&copy.hoster, slot, id);
                }
            },
        }
    }

    /// An ended copy leaves the copies table, and its hoster the list if it stores nothing else.
    pub(crate) fn untable_copy(copy: &mut Copy) {
        let Some(slot) = copy.slot.take() else { return };
        copy.tabled = 0;
        let mut table = copy_table::<T>(&copy.hoster);
        table.free(slot);
        CopySlots::<T>::remove(&copy.hoster, slot);
        if table.total() == 0 {
            Self::leave_list(&copy.hoster);
        }
    }

    fn enter_list(account: &AccountId32) {
        let place = StoringCount::<T>::get();
        Storing::<T>::insert(place, account);
        StoringCount::<T>::put(place.saturating_add(1));
        Self::with_hoster(account, |hoster| hoster.place = Some(place));
    }

    /// Where one leaves, the last takes its place.
    fn leave_list(account: &AccountId32) {
        let place = Hosters::<T>::mutate(account, |hoster| hoster.as_mut().and_then(|hoster| hoster.place.take()));
        let last = StoringCount::<T>::get().saturating_sub(1);
        let (Some(place), Some(moved)) = (place.defensive(), Storing::<T>::take(last).defensive()) else { return };
        StoringCount::<T>::put(last);
        if place != last {
            Storing::<T>::insert(place, &moved);
            Self::with_hoster(&moved, |hoster| hoster.place = Some(place));
        }
    }
}
