//! What ShareFetch and ShareAcknowledge have in common: acknowledgements as they come in, and the
//! share partitions that they are about.
//!
//! Must hold: what is malformed is refused for its partition before anything is changed there.

use std::sync::Arc;

use ottla_security::{Operation, Resource};
use ottla_share::{Acknowledgement, Verdict};
use ottla_wire::{BrokerId, ErrorCode, LeaderEpoch, Offset};

use crate::context::Ctx;
use crate::share_partitions::{HostedShare, Terms};
use crate::share_sessions::{Place, Who};

/// Acknowledgements for one partition, or why they cannot be read.
pub(crate) type Said = (Place, Result<Vec<Acknowledgement>, ErrorCode>);

/// Reads batches of acknowledgements: first offset, last offset, one type for all or one for each.
///
/// # Errors
/// INVALID_REQUEST: a batch that is upside down or out of order, too few or too many types, or a
/// type that there is not (SharePartitionManager, ShareFetchRequest).
pub(crate) fn read<'a>(
    batches: impl Iterator<Item = (Offset, Offset, &'a [i8])>,
    may_renew: bool,
) -> Result<Vec<Acknowledgement>, ErrorCode> {
    let mut previous = Offset(-1);
    let mut said = Vec::new();
    for (first, last, types) in batches {
        let count = (i128::from(last.0) - i128::from(first.0)) + 1;
        let fits = types.len() == 1 || i128::try_from(types.len()).is_ok_and(|len| len == count);
        if first > last || first <= previous || !fits {
            return Err(ErrorCode::INVALID_REQUEST);
        }
        previous = last;
        let verdicts = types.iter().map(|number| {
            let verdict = Verdict::from_number(*number);
            verdict.filter(|verdict| *verdict != Verdict::Renew || may_renew)
        });
        let verdicts: Option<Vec<Verdict>> = verdicts.collect();
        let verdicts = verdicts.ok_or(ErrorCode::INVALID_REQUEST)?;
        said.push(Acknowledgement { first, last, verdicts });
    }
    Ok(said)
}

/// The share partition that something is said of: one that records were acquired from.
///
/// # Errors
/// The client may not know of it, or there is none here.
fn find(ctx: &Ctx, group: &str, place: Place) -> Result<Arc<HostedShare>, ErrorCode> {
    let rooms = &ctx.rooms;
    let name = rooms.partitions.topic_name(place.0).ok_or(ErrorCode::UNKNOWN_TOPIC_ID)?;
    if !ctx.allows(Operation::Read, Resource::Topic(&name)) {
        return Err(ErrorCode::TOPIC_AUTHORIZATION_FAILED);
    }
    let share = rooms.share_partitions.known(group, place);
    share.ok_or(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION)
}

/// Takes what a member says of the records of one share partition; answers when it is written.
///
/// # Errors
/// Those of `find`, and why what is said does not count.
pub(crate) async fn acknowledge(
    ctx: &Ctx,
    terms: &Terms,
    who: &Who,
    place: Place,
    said: &[Acknowledgement],
) -> Result<(), ErrorCode> {
    let result = match find(ctx, &who.group, place) {
        Ok(share) => {
            let result = share.acknowledge(&ctx.rooms, &terms.rules, &who.member, said).await;
            drop_if_fenced(ctx, &share, &result);
            result
        }
        Err(error) => Err(error),
    };
    ctx.rooms.partitions.traffic(place.0).share_acknowledged(result.is_ok());
    result
}

/// Lets go of a share partition whose state has moved on elsewhere.
pub(crate) fn drop_if_fenced(ctx: &Ctx, share: &Arc<HostedShare>, result: &Result<(), ErrorCode>) {
    if *result == Err(ErrorCode::NOT_LEADER_OR_FOLLOWER) {
        ctx.rooms.share_partitions.drop_fenced(share);
    }
}

/// Who leads a partition, where a refusal says that this broker does not.
pub(crate) fn leader(
    ctx: &Ctx,
    (topic, index): Place,
    error: ErrorCode,
) -> Option<(BrokerId, LeaderEpoch)> {
    if !matches!(error, ErrorCode::NOT_LEADER_OR_FOLLOWER | ErrorCode::FENCED_LEADER_EPOCH) {
        return None;
    }
    let partition = ctx.rooms.partitions.find(topic, index).ok()?;
    let (leader, epoch) = partition.leader();
    Some((leader.unwrap_or(BrokerId(-1)), epoch))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(batches: &[(i64, i64, &[i8])], may_renew: bool) -> Option<usize> {
        let batches =
            batches.iter().map(|(first, last, types)| (Offset(*first), Offset(*last), *types));
        read(batches, may_renew).ok().map(|said| said.iter().map(|it| it.verdicts.len()).sum())
    }

    #[test]
    fn batches_have_one_type_for_all_or_one_for_each() {
        assert_eq!(check(&[(0, 2, &[1]), (3, 4, &[0, 2])], false), Some(3));
        assert_eq!(check(&[(0, 2, &[1, 1])], false), None);
        assert_eq!(check(&[(0, 2, &[])], false), None);
        assert_eq!(check(&[(0, i64::MAX, &[1, 1])], false), None);
    }

    #[test]
    fn batches_are_in_order_and_the_right_way_up() {
        assert_eq!(check(&[(3, 2, &[1])], false), None);
        assert_eq!(check(&[(0, 2, &[1]), (2, 3, &[1])], false), None);
        assert_eq!(check(&[(-1, 2, &[1])], false), None);
    }

    #[test]
    fn locks_are_renewed_only_by_requests_that_say_so() {
        assert_eq!(check(&[(0, 0, &[4])], true), Some(1));
        assert_eq!(check(&[(0, 0, &[4])], false), None);
        assert_eq!(check(&[(0, 0, &[5])], true), None);
    }
}
