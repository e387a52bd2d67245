//! The replicated state machine that every coordinator and the controller is: decide, append,
//! replay, commit, reply.
