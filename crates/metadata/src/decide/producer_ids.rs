//! Producer ids: unique in the life of the cluster, handed to brokers in blocks.

use std::ops::Range;

use odradek_protocol::ErrorCode;

use super::Refusal;
use crate::{
    image::MetadataImage,
    records::{ProducerIdsRecord, Record},
};

/// Ids in one block. A broker that stops loses what is left of its block; there are 2^63.
pub const PRODUCER_ID_BLOCK: i64 = 1000;

/// Takes the next block.
pub fn allocate_producer_ids(image: &MetadataImage) -> Result<(Range<i64>, Record), Refusal> {
    let first = image.next_producer_id;
    let next = first.checked_add(PRODUCER_ID_BLOCK).ok_or_else(|| {
        Refusal::new(
            ErrorCode::UnknownServerError,
            "All producer ids have been given out.",
        )
    })?;
    Ok((first..next, ProducerIdsRecord { next }.into()))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn blocks_follow_each_other_without_overlap() {
        let mut image = MetadataImage::default();
        for first in [0, 1000, 2000] {
            let (block, record) = allocate_producer_ids(&image).unwrap();
            assert_eq!(block, first..first + 1000);
            image.apply(record, 1).unwrap();
        }
    }

    #[test]
    fn the_last_ids_are_not_given_twice() {
        let image = MetadataImage {
            next_producer_id: i64::MAX - 5,
            ..MetadataImage::default()
        };
        assert!(allocate_producer_ids(&image).is_err());
    }
}
