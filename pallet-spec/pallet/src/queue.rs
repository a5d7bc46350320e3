//! The FIFOs: needs of placement, and deadlines by kind.

use crate::{types::*, Config, Copies, DeadlineQueues, Deadlines, NeedQueue, Needs, Pallet, Plans};

impl<T: Config> Pallet<T> {
    /// Arms a wait of `blocks`: the chain's own act in the block in which they are over, others in the next.
    pub(crate) fn arm(wait: Wait, blocks: u32, id: u64, tag: u64) {
        let own = matches!(
            wait,
            Wait::EncoderDraw
                | Wait::Salt
                | Wait::Half
                | Wait::Tick
                | Wait::EndPlan
                | Wait::Records
                | Wait::Drop
                | Wait::Leave
                | Wait::Sweep
                | Wait::Report
        );
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

    /// Arms a wait that acts at once, before all others of its kind. An entry of the kind was taken before.
    pub(crate) fn arm_first(wait: Wait, id: u64) {
        DeadlineQueues::<T>::mutate(wait, |fifo| {
            fifo.head = fifo.head.saturating_sub(1);
            Deadlines::<T>::insert(wait, fifo.head, Deadline { due: Self::now(), id, tag: 0 });
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

    /// The lane of a need: 0 if its plan has something confirmed, else 1.
    fn lane(need: &Need) -> u8 {
        let plan = match need.kind {
            NeedKind::Hoster => Some(need.id),
            NeedKind::Encoder => Copies::<T>::get(need.id).map(|copy| copy.plan),
        };
        u8::from(!plan.and_then(Plans::<T>::get).is_some_and(|plan| plan.confirmed))
    }

    /// Puts a need at the tail of its lane. Its plan and copy must be stored.
    pub(crate) fn push_need(need: Need) {
        Self::push_need_in(Self::lane(&need), need)
    }

    /// Puts a need at the tail of a lane.
    pub(crate) fn push_need_in(lane: u8, need: Need) {
        NeedQueue::<T>::mutate(lane, |fifo| {
            Needs::<T>::insert(lane, fifo.tail, need);
            fifo.tail = fifo.tail.saturating_add(1);
        });
    }

    /// The need at the head of a lane.
    pub(crate) fn first_need(lane: u8) -> Option<Need> {
        Needs::<T>::get(lane, NeedQueue::<T>::get(lane).head)
    }

    /// Writes the need at the head of a lane again.
    pub(crate) fn keep_need(lane: u8, need: Need) {
        Needs::<T>::insert(lane, NeedQueue::<T>::get(lane).head, need);
    }

    /// Drops the need at the head of a lane.
    pub(crate) fn pop_need(lane: u8) {
        NeedQueue::<T>::mutate(lane, |fifo| {
            Needs::<T>::remove(lane, fifo.head);
            fifo.head = fifo.head.saturating_add(1);
        });
    }
}
