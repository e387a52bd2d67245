//! Replies that wait for a log to grow: the one place where they do.
//!
//! A [`Parking`] belongs to whatever makes progress, a partition say; a [`Wait`] belongs to one
//! request and may stand in many parkings at once. Progress that nobody waits for costs one
//! atomic load. A wait that was dropped leaves by itself at the next progress.

use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Arc, Mutex, Weak};

use tokio::sync::Notify;

/// One waiting request: wakes up when `amount` of progress has been made in all its parkings
/// together, or when it is told to look at once.
#[derive(Debug)]
pub struct Wait {
    missing: AtomicI64,
    wake: Notify,
}

impl Wait {
    /// Waits for `amount` of progress, in whatever unit the parkings count; 0 or less for any.
    pub fn new(amount: i64) -> Arc<Wait> {
        Arc::new(Wait { missing: AtomicI64::new(amount), wake: Notify::new() })
    }

    /// Ends when there was enough progress since the wait was made, also before this call.
    pub async fn done(&self) {
        self.wake.notified().await;
    }

    fn progress(&self, amount: i64) {
        if self.missing.fetch_sub(amount, Ordering::Relaxed) <= amount {
            self.wake.notify_one();
        }
    }
}

/// Where waits stand for one source of progress.
#[derive(Debug, Default)]
pub struct Parking {
    occupied: AtomicBool,
    waits: Mutex<Vec<Weak<Wait>>>,
}

impl Parking {
    /// Lets `wait` hear of progress from here on. Look at the state once more after this, before
    /// waiting: progress just before it is not told.
    pub fn park(&self, wait: &Arc<Wait>) {
        let mut waits = self.waits.lock().expect("no code panics while it holds this lock");
        // Dropped waits are let go whenever the list would have to grow.
        if waits.len() == waits.capacity() {
            waits.retain(|wait| wait.strong_count() > 0);
        }
        waits.push(Arc::downgrade(wait));
        self.occupied.store(true, Ordering::SeqCst);
    }

    /// Tells all waits of `amount` more; each stays until it is dropped.
    pub fn progress(&self, amount: i64) {
        if !self.occupied.load(Ordering::SeqCst) {
            return;
        }
        let mut waits = self.waits.lock().expect("no code panics while it holds this lock");
        waits.retain(|wait| match wait.upgrade() {
            Some(wait) => {
                wait.progress(amount);
                true
            }
            None => false,
        });
        if waits.is_empty() {
            *waits = Vec::new();
            self.occupied.store(false, Ordering::SeqCst);
        }
    }

    /// Wakes every wait whatever it is missing: the source has changed its leader, failed or gone.
    pub fn disturb(&self) {
        self.progress(i64::MAX / 2);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::future::Future;
    use std::pin::pin;
    use std::task::{Context, Waker};

    fn is_done(wait: &Wait) -> bool {
        pin!(wait.done()).poll(&mut Context::from_waker(Waker::noop())).is_ready()
    }

    #[test]
    fn progress_in_several_parkings_adds_up() {
        let (left, right) = (Parking::default(), Parking::default());
        let wait = Wait::new(10);
        left.park(&wait);
        right.park(&wait);
        left.progress(4);
        assert!(!is_done(&wait));
        right.progress(6);
        assert!(is_done(&wait));
    }

    #[test]
    fn any_progress_wakes_a_wait_for_nothing_in_particular() {
        let parking = Parking::default();
        let wait = Wait::new(0);
        parking.park(&wait);
        parking.progress(0);
        assert!(is_done(&wait));
    }

    #[test]
    fn a_disturbance_wakes_whatever_is_missing() {
        let parking = Parking::default();
        let wait = Wait::new(i64::MAX / 4);
        parking.park(&wait);
        parking.disturb();
        assert!(is_done(&wait));
    }

    #[test]
    fn dropped_waits_take_no_room() {
        let parking = Parking::default();
        for _ in 0..10_000 {
            parking.park(&Wait::new(1));
        }
        assert!(parking.waits.lock().expect("alone").capacity() < 64);
        parking.progress(1);
        assert_eq!(parking.waits.lock().expect("alone").capacity(), 0);
    }
}
