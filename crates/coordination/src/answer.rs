//! An answer that is there, or that comes when others have acted or a log has committed.
//!
//! Must hold: when a coordinator function returns, its decision is taken or stands in line; only
//! waiting is left.

use std::fmt;
use std::future::{Future, IntoFuture};

use crate::log::BoxFuture;

/// What a coordinator function gives. Await it, or look whether it is there already.
pub enum Answer<T> {
    /// It is there.
    Now(T),
    /// It comes; dropping the future gives up on it.
    Later(BoxFuture<'static, T>),
}

impl<T: Send + 'static> Answer<T> {
    pub(crate) fn later(future: impl Future<Output = T> + Send + 'static) -> Self {
        Answer::Later(Box::pin(future))
    }

    /// Changes the answer when it is there.
    pub fn map<U: Send + 'static>(self, change: impl FnOnce(T) -> U + Send + 'static) -> Answer<U> {
        match self {
            Answer::Now(value) => Answer::Now(change(value)),
            Answer::Later(future) => Answer::later(async move { change(future.await) }),
        }
    }

    /// All answers in order, there when the last one is.
    pub fn all(answers: Vec<Answer<T>>) -> Answer<Vec<T>> {
        if answers.iter().all(|answer| matches!(answer, Answer::Now(_))) {
            let values = answers.into_iter().filter_map(|answer| match answer {
                Answer::Now(value) => Some(value),
                Answer::Later(_) => None,
            });
            return Answer::Now(values.collect());
        }
        Answer::later(async move {
            let mut values = Vec::with_capacity(answers.len());
            for answer in answers {
                values.push(answer.await);
            }
            values
        })
    }
}

impl<T: Send + 'static> IntoFuture for Answer<T> {
    type Output = T;
    type IntoFuture = BoxFuture<'static, T>;

    fn into_future(self) -> BoxFuture<'static, T> {
        match self {
            Answer::Now(value) => Box::pin(std::future::ready(value)),
            Answer::Later(future) => future,
        }
    }
}

impl<T: fmt::Debug> fmt::Debug for Answer<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Answer::Now(value) => f.debug_tuple("Now").field(value).finish(),
            Answer::Later(_) => f.write_str("Later"),
        }
    }
}
