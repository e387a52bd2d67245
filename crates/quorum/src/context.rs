//! What a handler of the controller may reach, and the request it is in.
//! Must hold: handlers decide through [`Ctx::decide`] only, so that every reply waits for its
//! commit.

use std::sync::Arc;

use ottla_controller::{Controller, ControllerReply, Decision};
use ottla_metadata::Image;
use ottla_net::{CloseReason, ConnectionInfo};
use ottla_security::{Operation, Resource};
use ottla_wire::ApiKey;

use crate::answer::Answer;
use crate::quorum::Shared;

/// One request, and where it came from.
#[derive(Clone)]
pub(crate) struct Ctx {
    pub(crate) shared: Arc<Shared>,
    pub(crate) connection: Arc<ConnectionInfo>,
    pub(crate) key: ApiKey,
    pub(crate) version: i16,
    pub(crate) correlation_id: i32,
}

impl Ctx {
    /// The cluster as it is committed.
    pub(crate) fn image(&self) -> Arc<Image> {
        self.shared.image()
    }

    /// Whether the client may do this.
    pub(crate) fn allows(&self, operation: Operation, on: Resource<'_>) -> bool {
        self.shared.opening.authorizer.allows(&self.connection.principal, operation, on)
    }

    /// Whether the other end is a node of the cluster.
    pub(crate) fn is_node(&self) -> bool {
        self.allows(Operation::ClusterAction, Resource::Cluster)
    }

    /// Takes a decision, and answers when it is committed.
    pub(crate) fn decide<R>(
        &self,
        decide: impl FnOnce(&Controller, &mut ottla_controller::Live<'_>) -> Decision<R>,
    ) -> Answer<R>
    where
        R: Into<ControllerReply> + TryFrom<ControllerReply> + Send + 'static,
    {
        match self.shared.decide(decide) {
            Err(error) => Answer::Close(CloseReason(error.to_string())),
            Ok(reply) => Answer::Later(Box::pin(async move {
                let reply = reply.await.map_err(|_| CloseReason("the controller ends".into()))?;
                let wrong = || CloseReason("the controller answered something else".to_owned());
                R::try_from(reply).map_err(|_| wrong())
            })),
        }
    }
}
