//! The FIFOs: needs of placement, and deadlines by kind.

use crate::{types::*, Config, DeadlineQueues, Deadlines, NeedQueue, Needs, Pallet};

impl<T: Config> Pallet<T> {
    /// Arms a wait of `blocks`: the chain's own act in the block in which they are over, others in the next.
    pub(crate) fn arm(wait: Wait, blocks: u32, id: u64, tag: u64) {
        let own =
            matches!(wait, Wait::EncoderDraw | Wait::Salt | Wait::Half | Wait::Tick | Wait::EndPlan | Wait::Records);
        let due = Self::now().saturating_add(blocks).saturating_add(u32::from(!own));
        Self::arm_at(wait, due, id, tag);
    }

    /// Arms a wait that acts in block `due`.
    pub(crate) fn arm_at(wait: Wait, due: Block, id: u64, tag: u64) {
        DeadlineQueues::<T>::mutate(wait, |fifo| {
            Deadlines::<T>::insert(wait, fifo.tail, Deadline { due, id, tag });
            fifo.tail = fifo.tail.saturating_add(1);
        });
    }

    /// Takes the head of a kind if it is due.
    pub(crate) fn next_due(wait: Wait) -> Option<Deadline> {
        let mut fifo = DeadlineQueues::<T>::get(wait);
        let deadline = Deadlines::<T>::get(wait, fifo.head).filter(|deadline| deadline.due <= Self::now())?;
        Deadlines::<T>::remove(wait, fifo.head);
        fifo.head = fifo.head.saturating_add(1);
        DeadlineQueues::<T>::insert(wait, fifo);
        Some(deadline)
    }

    /// Puts a need at the tail.
    pub(crate) fn push_need(need: Need) {
        NeedQueue::<T>::mutate(|fifo| {
            Needs::<T>::insert(fifo.tail, need);
            fifo.tail = fifo.tail.saturating_add(1);
        });
    }

    /// The need at the head.
    pub(crate) fn first_need() -> Option<Need> {
        Needs::<T>::get(NeedQueue::<T>::get().head)
    }

    /// Writes the need at the head again.
    pub(crate) fn keep_need(need: Need) {
        Needs::<T>::insert(NeedQueue::<T>::get().head, need);
    }

    /// Drops the need at the head.
    pub(crate) fn pop_need() {
        NeedQueue::<T>::mutate(|fifo| {
            Needs::<T>::remove(fifo.head);
            fifo.head = fifo.head.saturating_add(1);
        });
    }
}
