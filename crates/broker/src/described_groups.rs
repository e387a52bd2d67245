//! Descriptions of groups: who is told of which, whatever kind of group it is.
//!
//! A group that the client may not describe is refused by its name, and behind the others; one with
//! a topic that it may not describe as if there were nothing else to say of it. Not here: what is
//! described, which the coordinators of the groups know.

use ottla_coordination::Answer;
use ottla_security::{Operation, Resource};
use ottla_wire::{ErrorCode, StrBytes};

use crate::context::Ctx;

/// One group of an answer.
pub(crate) trait Described: Default + Send + 'static {
    /// What is said of a group with a topic that the client may not describe.
    const HIDDEN: &str;

    /// The names of all topics in it.
    fn topics(&self) -> impl Iterator<Item = &StrBytes>;

    /// The fields that every description has.
    fn common(&mut self) -> Common<'_>;

    /// Why there is nothing else to say of a group.
    fn refused(id: StrBytes, error: ErrorCode) -> Self {
        let mut group = Self::default();
        let common = group.common();
        (*common.id, *common.error) = (id, error);
        group
    }
}

/// The fields that every description has.
pub(crate) struct Common<'a> {
    pub(crate) id: &'a mut StrBytes,
    pub(crate) error: &'a mut ErrorCode,
    pub(crate) message: &'a mut Option<StrBytes>,
    pub(crate) operations: &'a mut i32,
}

/// Gives [`Described::common`] of a generated message.
macro_rules! common {
    () => {
        fn common(&mut self) -> $crate::described_groups::Common<'_> {
            $crate::described_groups::Common {
                id: &mut self.group_id,
                error: &mut self.error_code,
                message: &mut self.error_message,
                operations: &mut self.authorized_operations,
            }
        }
    };
}

pub(crate) use common;

/// Has those of the groups described that the client may ask for, and tells what it may know.
pub(crate) fn describe<G: Described>(
    ctx: &Ctx,
    ids: Vec<StrBytes>,
    wants_operations: bool,
    describe: impl FnOnce(Vec<StrBytes>) -> Answer<Vec<G>>,
) -> Answer<Vec<G>> {
    let may = |id: &StrBytes| ctx.allows(Operation::Describe, Resource::Group(id));
    let (allowed, forbidden): (Vec<_>, Vec<_>) = ids.into_iter().partition(may);
    let ctx = ctx.clone();
    describe(allowed).map(move |mut groups| {
        for group in &mut groups {
            show(&ctx, group, wants_operations);
        }
        groups.extend(refused(forbidden, ErrorCode::GROUP_AUTHORIZATION_FAILED));
        groups
    })
}

/// The same refusal of many groups.
pub(crate) fn refused<G: Described>(ids: Vec<StrBytes>, error: ErrorCode) -> Vec<G> {
    ids.into_iter().map(|id| G::refused(id, error)).collect()
}

fn show<G: Described>(ctx: &Ctx, group: &mut G, wants_operations: bool) {
    let may = |name| ctx.allows(Operation::Describe, Resource::Topic(name));
    if !group.topics().all(|name| may(name)) {
        let id = std::mem::take(group.common().id);
        *group = G::refused(id, ErrorCode::TOPIC_AUTHORIZATION_FAILED);
        *group.common().message = Some(StrBytes::from(G::HIDDEN));
        return;
    }
    let common = group.common();
    if wants_operations && *common.error == ErrorCode::NONE {
        *common.operations = ctx.allowed_operations(Resource::Group(common.id));
    }
}
