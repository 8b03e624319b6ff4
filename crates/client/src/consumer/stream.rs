//! Records one by one, as a [`Stream`].

use std::{
    borrow::BorrowMut,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use futures_core::Stream;

use super::{Consumer, record::ConsumerRecord};
use crate::error::Error;

/// How long one wait for records lasts; the next follows at once.
const WAIT: Duration = Duration::from_mins(1);

/// What a poll gives back: whom it borrowed, and what came.
type Polled<C> = (C, Result<Vec<ConsumerRecord>, Error>);

/// The records of a consumer. It never ends; after an error it may be asked again.
///
/// Each record is handed out by a poll of its own, so that a commit covers the records that were
/// taken from the stream and none besides, and so that auto commit takes a record for processed
/// when the next one is asked for.
pub struct Records<'c, C> {
    state: State<'c, C>,
}

enum State<'c, C> {
    Idle(C),
    Polling(Pin<Box<dyn Future<Output = Polled<C>> + Send + 'c>>),
    /// Only while one of the others is made, and after a panic in it.
    Neither,
}

impl Consumer {
    /// Its records one by one, for as long as the stream is held.
    ///
    /// ```no_run
    /// # async fn example(mut consumer: odradek_client::Consumer)
    /// # -> Result<(), odradek_client::Error> {
    /// use futures_util::StreamExt;
    ///
    /// let mut records = consumer.stream();
    /// while let Some(record) = records.next().await {
    ///     println!("{:?}", record?.value);
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn stream(&mut self) -> Records<'_, &mut Self> {
        Records {
            state: State::Idle(self),
        }
    }

    /// The same for a stream that owns its consumer. Dropped, it drops the consumer: take it
    /// [back](Records::into_consumer) and [`close`](Self::close) it.
    pub fn into_stream(self) -> Records<'static, Self> {
        Records {
            state: State::Idle(self),
        }
    }
}

impl<C: BorrowMut<Consumer>> Records<'_, C> {
    /// The consumer, to commit or to seek. `None` only while a record is waited for.
    pub fn consumer(&self) -> Option<&Consumer> {
        match &self.state {
            State::Idle(consumer) => Some(consumer.borrow()),
            State::Polling(_) | State::Neither => None,
        }
    }
}

impl Records<'static, Consumer> {
    /// The consumer back, to close it. `None` only while a record is waited for: the wait has it.
    pub fn into_consumer(self) -> Option<Consumer> {
        match self.state {
            State::Idle(consumer) => Some(consumer),
            State::Polling(_) | State::Neither => None,
        }
    }
}

impl<'c, C: BorrowMut<Consumer> + Send + Unpin + 'c> Stream for Records<'c, C> {
    type Item = Result<ConsumerRecord, Error>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        loop {
            match std::mem::replace(&mut self.state, State::Neither) {
                State::Idle(mut consumer) => {
                    self.state = State::Polling(Box::pin(async move {
                        let polled = consumer.borrow_mut().poll_up_to(1, WAIT).await;
                        (consumer, polled)
                    }));
                }
                State::Polling(mut polling) => match polling.as_mut().poll(context) {
                    Poll::Pending => {
                        self.state = State::Polling(polling);
                        return Poll::Pending;
                    }
                    Poll::Ready((consumer, polled)) => {
                        self.state = State::Idle(consumer);
                        match polled.map(|records| records.into_iter().next()) {
                            Ok(Some(record)) => return Poll::Ready(Some(Ok(record))),
                            Ok(None) => {}
                            Err(error) => return Poll::Ready(Some(Err(error))),
                        }
                    }
                },
                State::Neither => return Poll::Ready(None),
            }
        }
    }
}
