//! How many bytes of large frames all connections of a server hold together.
//!
//! A frame that fits into the first read costs nothing here. Must hold: a connection has its share
//! before it reads on, and gives it back when the request has appended or decided.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// What one unit of the budget stands for.
const UNIT: usize = 1024;

/// The bytes that frames may take.
#[derive(Clone, Debug)]
pub(crate) struct Budget {
    units: Arc<Semaphore>,
    units_max: u32,
}

/// A part of the budget, given back when it is dropped.
#[derive(Debug)]
pub(crate) struct Share(#[expect(dead_code, reason = "held, not read")] OwnedSemaphorePermit);

impl Budget {
    pub(crate) fn new(bytes_max: usize) -> Self {
        let most = u32::try_from(Semaphore::MAX_PERMITS).unwrap_or(u32::MAX);
        let units_max = u32::try_from(bytes_max / UNIT).unwrap_or(most).clamp(1, most);
        let units = Arc::new(Semaphore::new(usize::try_from(units_max).unwrap_or(usize::MAX)));
        Budget { units, units_max }
    }

    /// Waits until `bytes` may be held; a frame larger than the whole budget waits for all of it.
    pub(crate) async fn share(&self, bytes: usize) -> Share {
        let units = u32::try_from(bytes.div_ceil(UNIT)).unwrap_or(u32::MAX).min(self.units_max);
        let permit = Arc::clone(&self.units).acquire_many_owned(units).await;
        Share(permit.expect("the semaphore is never closed"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::future::Future;
    use std::pin::pin;
    use std::task::{Context, Waker};

    fn is_granted(budget: &Budget, bytes: usize) -> Option<Share> {
        let mut cx = Context::from_waker(Waker::noop());
        match pin!(budget.share(bytes)).poll(&mut cx) {
            std::task::Poll::Ready(share) => Some(share),
            std::task::Poll::Pending => None,
        }
    }

    #[test]
    fn what_is_held_is_missing_until_it_is_given_back() {
        let budget = Budget::new(10 * UNIT);
        let share = is_granted(&budget, 8 * UNIT).expect("free");
        assert!(is_granted(&budget, 3 * UNIT).is_none());
        drop(share);
        assert!(is_granted(&budget, 3 * UNIT).is_some());
    }

    #[test]
    fn a_frame_larger_than_the_budget_takes_all_of_it() {
        let budget = Budget::new(10 * UNIT);
        let _share = is_granted(&budget, 100 * UNIT).expect("free");
        assert!(is_granted(&budget, 1).is_none());
    }
}
