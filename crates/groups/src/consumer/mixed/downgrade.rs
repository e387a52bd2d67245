//! A KIP-848 group goes back to the classic protocol when its last member of the new one goes.
//!
//! The group's epoch becomes its generation, and the targets what the leader gave; then it
//! rebalances, as after any member that left. A static member that takes the place of the last new
//! one gets what that one shall have, and nobody has to join again. Must hold: where the change
//! cannot be made the group stays what it is.

use bytes::Bytes;
use ottla_wire::{Generation, StrBytes};

use super::embedded;
use crate::classic::{Member, Out, Session};
use crate::consumer::ConsumerDraft;
use crate::consumer::records::ConsumerEntry;
use crate::consumer::settings::MigrationPolicy;
use crate::consumer::state::ConsumerGroup;
use crate::{Now, Settings, Soft, Topics};

/// Whether only members of the classic protocol are left without the `ending` ones, and the group
/// may go back for that. `gone` of them are not replaced.
pub(crate) fn may_downgrade(
    group: &ConsumerGroup,
    ending: &[StrBytes],
    gone: usize,
    settings: &Settings,
) -> bool {
    let policy = settings.consumer.migration;
    let is_allowed = matches!(policy, MigrationPolicy::Bidirectional | MigrationPolicy::Downgrade);
    let left = group.members().len().saturating_sub(gone);
    if !is_allowed || left == 0 || left > settings.group_size_max {
        return false;
    }
    let members = || group.members().iter();
    let ends_new =
        members().any(|(id, value)| value.classic_member_metadata.is_none() && ending.contains(id));
    ends_new
        && members()
            .all(|(id, value)| value.classic_member_metadata.is_some() || ending.contains(id))
}

/// Makes the change, without the members who go. Answers whether it could be made.
pub(crate) fn downgrade(
    draft: &mut ConsumerDraft<'_>,
    ending: &[StrBytes],
    rebalances: bool,
    soft: &mut Soft,
    topics: &dyn Topics,
    out: &mut Out<'_>,
) -> bool {
    let Some(mut session) = session(draft, ending, topics, out.now) else { return false };
    forget(draft);
    out.records.append(&mut draft.records);
    out.records.push(session.record());
    soft.consumers.remove_group(&draft.id);
    if rebalances {
        session.rebalance(out);
    }
    soft.sessions.insert(draft.id.clone(), session);
    soft.settle(&draft.id);
    true
}

/// The classic group that it becomes.
fn session(
    draft: &ConsumerDraft<'_>,
    ending: &[StrBytes],
    topics: &dyn Topics,
    now: Now,
) -> Option<Session> {
    let group = draft.group();
    let staying = group.members().iter().filter(|(id, _)| !ending.contains(id));
    let members: Option<Vec<Member>> =
        staying.map(|(id, value)| Member::converted(id, value)).collect();
    let generation = Generation(group.epochs().epoch().0);
    let mut session = Session::converted(&draft.id, generation, members?, now);
    let assign = |member: &str, metadata: &Bytes| {
        embedded::assigned(&group.target(member), topics, metadata)
    };
    session.give(&assign).then_some(session)
}

/// The tombstones of a group and of all that is in it.
fn forget(draft: &mut ConsumerDraft<'_>) {
    let group = draft.group();
    let members: Vec<StrBytes> = group.members().keys().cloned().collect();
    let regexes: Vec<StrBytes> = group.regexes().keys().cloned().collect();
    for member in &members {
        draft.push(ConsumerEntry::Current(member.clone(), None));
    }
    for member in &members {
        draft.push(ConsumerEntry::Target(member.clone(), None));
    }
    draft.push(ConsumerEntry::TargetEpoch(None));
    for member in &members {
        draft.push(ConsumerEntry::Member(member.clone(), None));
    }
    for regex in regexes {
        draft.push(ConsumerEntry::Regex(regex, None));
    }
    // As Kafka has it, whether or not there is such a record.
    draft.push(ConsumerEntry::PartitionMetadata(None));
    draft.push(ConsumerEntry::Epoch(None));
}
