//! Hands out producer ids from the block this broker was given, and fetches the next block when it
//! is used up.

use std::{future::Future, ops::Range};

use tokio::sync::Mutex;

use super::ChangeError;

/// What is left of the current block.
#[derive(Debug, Default)]
pub(super) struct ProducerIds {
    /// Held while a block is fetched: others wait for that block instead of fetching their own.
    left: Mutex<Range<i64>>,
}

impl ProducerIds {
    /// The next id. `allocate` gets a new block.
    ///
    /// Cancellation safe; a block whose fetching was cancelled is lost, as in a restart.
    pub(super) async fn next<F>(&self, allocate: impl FnOnce() -> F) -> Result<i64, ChangeError>
    where
        F: Future<Output = Result<Range<i64>, ChangeError>>,
    {
        let mut left = self.left.lock().await;
        if let Some(id) = left.next() {
            return Ok(id);
        }
        *left = allocate().await?;
        Ok(left.next().expect("a new block has ids"))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[tokio::test]
    async fn a_block_is_used_up_before_the_next_is_fetched() {
        let ids = ProducerIds::default();
        let mut found = Vec::new();
        for block in [0..3, 90..92] {
            for _ in block.clone() {
                found.push(ids.next(|| async { Ok(block.clone()) }).await.unwrap());
            }
        }
        assert_eq!(found, [0, 1, 2, 90, 91]);
    }

    #[tokio::test]
    async fn a_failed_fetch_is_told_and_tried_again_by_the_next() {
        let ids = ProducerIds::default();
        ids.next(|| async { Err(ChangeError::Stopped) })
            .await
            .unwrap_err();
        assert_eq!(ids.next(|| async { Ok(5..6) }).await.unwrap(), 5);
    }
}
