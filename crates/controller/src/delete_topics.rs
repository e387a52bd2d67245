//! DeleteTopics (20), v1-6: by name, from v6 on by id as well.
//!
//! A topic that occurs twice is answered once, behind the others, and stays, as Kafka does; twice
//! is also once by name and once by id.
//! Not served: nothing.

use std::collections::BTreeSet;

use ottla_metadata::{Image, MetadataRecord};
use ottla_wire::messages::delete_topics_request::DeleteTopicState;
use ottla_wire::messages::delete_topics_response::DeletableTopicResult;
use ottla_wire::messages::{DeleteTopicsRequest, DeleteTopicsResponse, RemoveTopicRecord};
use ottla_wire::{ErrorCode, StrBytes, TopicId};

use crate::create_topics::once_and_twice;
use crate::{Controller, Decision, Live, Refusal};

impl Controller {
    /// Deletes topics.
    pub fn delete_topics(
        &self,
        live: &mut Live<'_>,
        request: &DeleteTopicsRequest,
    ) -> Decision<DeleteTopicsResponse> {
        let by_name = request
            .topic_names
            .iter()
            .map(|name| DeleteTopicState { name: Some(name.clone()), ..Default::default() });
        let asked: Vec<DeleteTopicState> = request.topics.iter().cloned().chain(by_name).collect();
        let (_, names_twice) = once_and_twice(asked.iter().filter_map(|topic| topic.name.as_ref()));
        let ids_twice = ids_twice(&asked);
        let both_ways = by_name_and_id(live.image, &asked);
        let mut records = Vec::new();
        let mut responses = Vec::with_capacity(asked.len());
        for topic in &asked {
            let is_twice = topic.name.as_ref().is_some_and(|name| names_twice.contains(name))
                || ids_twice.contains(&topic.topic_id);
            if is_twice {
                continue;
            }
            match self.delete_topic(live.image, topic) {
                Ok((name, id)) if !both_ways.contains(&id) => {
                    let gone = RemoveTopicRecord { topic_id: id, ..Default::default() };
                    records.push(MetadataRecord::from(gone));
                    responses.push(result(Some(name), id, None));
                }
                Ok((name, id)) if topic.name.is_some() => {
                    let why = "The provided topic name maps to an ID that was already supplied.";
                    let refusal = Refusal::new(ErrorCode::INVALID_REQUEST, why);
                    responses.push(result(Some(name), id, Some(refusal)));
                }
                // Answered by its name.
                Ok(_) => {}
                Err(refusal) => {
                    responses.push(result(topic.name.clone(), topic.topic_id, Some(refusal)));
                }
            }
        }
        let twice = |what: &str| {
            Some(Refusal::new(ErrorCode::INVALID_REQUEST, format!("Duplicate topic {what}.")))
        };
        let names = names_twice.into_iter();
        responses
            .extend(names.map(|name| result(Some(name.clone()), TopicId::ZERO, twice("name"))));
        responses.extend(ids_twice.into_iter().map(|id| result(None, id, twice("id"))));
        Decision::new(records, DeleteTopicsResponse { responses, ..Default::default() })
    }

    fn delete_topic(
        &self,
        image: &Image,
        topic: &DeleteTopicState,
    ) -> Result<(StrBytes, TopicId), Refusal> {
        let has_id = topic.topic_id != TopicId::ZERO;
        let found = match &topic.name {
            Some(_) if has_id => {
                return Err(Refusal::new(
                    ErrorCode::INVALID_REQUEST,
                    "You may not specify both topic name and topic id.",
                ));
            }
            None if !has_id => {
                return Err(Refusal::new(
                    ErrorCode::INVALID_REQUEST,
                    "Neither topic name nor id were specified.",
                ));
            }
            Some(name) => image
                .topic_by_name(name)
                .ok_or_else(|| unknown(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION, "topic-partition"))?,
            None => image
                .topic(topic.topic_id)
                .ok_or_else(|| unknown(ErrorCode::UNKNOWN_TOPIC_ID, "topic ID"))?,
        };
        if !self.settings.log.delete_topic_enable {
            let message = "Topic deletion is disabled.";
            return Err(Refusal::new(ErrorCode::TOPIC_DELETION_DISABLED, message));
        }
        Ok((found.name.clone(), found.id))
    }
}

fn unknown(code: ErrorCode, what: &str) -> Refusal {
    Refusal::new(code, format!("This server does not host this {what}."))
}

fn ids_twice(asked: &[DeleteTopicState]) -> BTreeSet<TopicId> {
    let mut seen = BTreeSet::new();
    let ids = asked.iter().filter(|topic| topic.name.is_none()).map(|topic| topic.topic_id);
    ids.filter(|id| *id != TopicId::ZERO && !seen.insert(*id)).collect()
}

/// The topics that are named once by name and once by id.
fn by_name_and_id(image: &Image, asked: &[DeleteTopicState]) -> BTreeSet<TopicId> {
    let ids = asked.iter().filter(|topic| topic.name.is_none()).map(|topic| topic.topic_id);
    let ids: BTreeSet<TopicId> = ids.collect();
    let names = asked.iter().filter_map(|topic| topic.name.as_ref());
    let named = names.filter_map(|name| image.topics().id(name));
    named.filter(|id| ids.contains(id)).collect()
}

fn result(name: Option<StrBytes>, id: TopicId, refusal: Option<Refusal>) -> DeletableTopicResult {
    let error_code = refusal.as_ref().map_or(ErrorCode::NONE, |refusal| refusal.code);
    DeletableTopicResult {
        name,
        topic_id: id,
        error_code,
        error_message: refusal.and_then(Refusal::text),
        ..Default::default()
    }
}
