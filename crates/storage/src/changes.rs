//! What of a file is not on the disk yet, while one thread syncs it and others write.
//!
//! Must hold: a change counts as unsynced until a sync that began after it has ended.

/// The changes of one file.
#[derive(Debug, Default)]
pub(crate) struct Changes {
    made: u64,
    synced: u64,
}

impl Changes {
    /// The file was changed.
    pub(crate) fn note(&mut self) {
        self.made += 1;
    }

    /// Whether a sync would find anything to do, also while one is under way.
    pub(crate) fn is_unsynced(&self) -> bool {
        self.synced != self.made
    }

    /// How many changes there were, for a sync that begins now.
    pub(crate) fn made(&self) -> u64 {
        self.made
    }

    /// A sync has ended that began when there were so many.
    pub(crate) fn synced(&mut self, made: u64) {
        self.synced = self.synced.max(made);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_changed_during_a_sync_waits_for_the_next_one() {
        let mut changes = Changes::default();
        assert!(!changes.is_unsynced());
        changes.note();
        let made = changes.made();
        assert!(changes.is_unsynced(), "while it is synced too");
        changes.note();
        changes.synced(made);
        assert!(changes.is_unsynced());
        changes.synced(changes.made());
        assert!(!changes.is_unsynced());
    }
}
