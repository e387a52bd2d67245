//! What is counted of a group's members, so that a heartbeat at rest looks at no other member than
//! its own.
//!
//! Not here: the members (state.rs). Must hold: it follows from the members and from what they
//! have, so that two groups of the same members are equal, and none is counted 0 times.

use ottla_wire::{MemberEpoch, StrBytes};

use crate::consumer::state::{Current, MemberState, MemberValue, Subscription};
use crate::shared_map::SharedMap;

/// The counts of one group.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Census {
    /// How many have all that they shall have in an epoch.
    stable: SharedMap<MemberEpoch, usize>,
    assignors: SharedMap<StrBytes, usize>,
    regexes: SharedMap<StrBytes, usize>,
    /// The members of each instance id, in order: one, but while it is replaced.
    instances: SharedMap<StrBytes, Vec<StrBytes>>,
}

impl Census {
    /// How many members have all that they shall have in this epoch.
    pub(crate) fn stable_in(&self, epoch: MemberEpoch) -> usize {
        self.stable.get(&epoch).copied().unwrap_or(0)
    }

    /// How many members wish for each assignor.
    pub(crate) fn assignors(&self) -> impl Iterator<Item = (&StrBytes, usize)> {
        self.assignors.iter().map(|(name, count)| (name, *count))
    }

    /// By how many members each regular expression is subscribed to.
    pub(crate) fn regexes(&self) -> &SharedMap<StrBytes, usize> {
        &self.regexes
    }

    /// The member of an instance id, the first of them while it is replaced.
    pub(crate) fn static_member(&self, instance: &str) -> Option<&StrBytes> {
        self.instances.get(instance)?.first()
    }

    /// A member says something else of itself, is new, or goes.
    pub(crate) fn member_changed(
        &mut self,
        id: &str,
        before: Option<&MemberValue>,
        after: Option<&MemberValue>,
    ) {
        let assignor = |value: Option<&MemberValue>| value?.server_assignor.clone();
        move_one(&mut self.assignors, (assignor(before), assignor(after)), StrBytes::copied);
        let regex = |value: Option<&MemberValue>| Some(StrBytes::copied(value?.regex()?));
        move_one(&mut self.regexes, (regex(before), regex(after)), StrBytes::copied);
        let instance = |value: Option<&MemberValue>| value?.instance_id.clone();
        let (before, after) = (instance(before), instance(after));
        if before != after {
            self.change_instance(before.as_deref(), |members| members.retain(|it| **it != *id));
            self.change_instance(after.as_deref(), |members| {
                let at = members.partition_point(|it| **it < *id);
                members.insert(at, StrBytes::copied(id));
            });
        }
    }

    /// A member has something else, or nothing any more.
    pub(crate) fn current_changed(&mut self, before: Option<&Current>, after: Option<&Current>) {
        let stable = |current: Option<&Current>| {
            current.filter(|it| it.state == MemberState::Stable).map(|it| it.epoch)
        };
        move_one(&mut self.stable, (stable(before), stable(after)), |epoch| *epoch);
    }

    fn change_instance(&mut self, instance: Option<&str>, change: impl FnOnce(&mut Vec<StrBytes>)) {
        let Some(instance) = instance else { return };
        let mut members = self.instances.get(instance).cloned().unwrap_or_default();
        change(&mut members);
        let members = Some(members).filter(|members| !members.is_empty());
        self.instances.set(instance, StrBytes::copied, members);
    }
}

/// Counts one less of what was, one more of what is.
fn move_one<K, Q>(
    counts: &mut SharedMap<K, usize>,
    (before, after): (Option<K>, Option<K>),
    own: fn(&Q) -> K,
) where
    K: Ord + Clone + std::borrow::Borrow<Q>,
    Q: Ord + ?Sized,
{
    if before == after {
        return;
    }
    let mut change = |key: Option<&K>, change: fn(usize) -> usize| {
        let Some(key) = key.map(K::borrow) else { return };
        let count = change(counts.get(key).copied().unwrap_or(0));
        counts.set(key, own, (count > 0).then_some(count));
    };
    change(before.as_ref(), |count| count.saturating_sub(1));
    change(after.as_ref(), |count| count + 1);
}
