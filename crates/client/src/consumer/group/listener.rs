//! What the owner of a consumer is told when partitions come and go.

use std::{future::ready, pin::Pin};

use crate::{admin::offsets::TopicPartition, consumer::Consumer};

/// A call of a listener on its way. `Box::pin(async move { … })` makes one.
pub type Call<'a> = Pin<Box<dyn Future<Output = ()> + Send + 'a>>;

/// Hears of partitions that come and go. All calls are made within
/// [`poll`](Consumer::poll), [`unsubscribe`](Consumer::unsubscribe) and
/// [`close`](Consumer::close), one after the other, and none with an empty list except `assigned`.
///
/// A poll that is cancelled inside of a call makes the same call again the next time.
///
/// ```no_run
/// use odradek_client::{
///     Consumer,
///     consumer::group::listener::{Call, RebalanceListener},
/// };
///
/// struct Announcer;
///
/// impl RebalanceListener for Announcer {
///     fn revoked<'a>(
///         &'a mut self,
///         consumer: &'a Consumer,
///         partitions: &'a [(String, i32)],
///     ) -> Call<'a> {
///         Box::pin(async move {
///             println!("giving up {partitions:?}");
///             if let Err(error) = consumer.commit().await {
///                 println!("somebody will read some records again: {error}");
///             }
///         })
///     }
/// }
/// ```
pub trait RebalanceListener: Send {
    /// After a rebalance: these partitions are new. Reading them has not begun: a
    /// [`seek`](Consumer::seek) decides where it does. The list is empty if the rebalance brought
    /// nothing.
    fn assigned<'a>(
        &'a mut self,
        _consumer: &'a Consumer,
        _partitions: &'a [TopicPartition],
    ) -> Call<'a> {
        Box::pin(ready(()))
    }

    /// Before these partitions are given up: they are still this consumer's, so that it can commit.
    /// With auto commit that has been done.
    fn revoked<'a>(
        &'a mut self,
        _consumer: &'a Consumer,
        _partitions: &'a [TopicPartition],
    ) -> Call<'a> {
        Box::pin(ready(()))
    }

    /// The group has gone on without this consumer: these partitions may belong to others already,
    /// and nothing can be committed. By default the same as [`revoked`](Self::revoked).
    fn lost<'a>(
        &'a mut self,
        consumer: &'a Consumer,
        partitions: &'a [TopicPartition],
    ) -> Call<'a> {
        self.revoked(consumer, partitions)
    }
}
