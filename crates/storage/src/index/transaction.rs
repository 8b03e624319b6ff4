//! The `.txnindex` file: the transactions that were aborted, for consumers that skip them.
//!
//! ```text
//!  0  version             i16  0
//!  2  producer id         i64
//! 10  first offset        i64  of the transaction in this partition
//! 18  last offset         i64  that of the marker that ends it
//! 26  last stable offset  i64  as of that marker
//! ```
//!
//! Big endian; in the order of the markers. Only read, and only by tools: there are no transactions
//! yet, but Apache Kafka leaves such files behind.

/// A transaction that was aborted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AbortedTransaction {
    /// The version of the entry.
    pub version: i16,
    /// Whose it was.
    pub producer_id: i64,
    /// Its first offset in this partition.
    pub first_offset: i64,
    /// The offset of the marker that ends it.
    pub last_offset: i64,
    /// The last stable offset as of that marker.
    pub last_stable_offset: i64,
}

impl AbortedTransaction {
    /// Size of an entry in bytes.
    pub const LEN: usize = 34;

    /// Reads an entry.
    pub fn decode(bytes: &[u8; Self::LEN]) -> Self {
        let [v0, v1, numbers @ ..] = bytes;
        let (numbers, _) = numbers.as_chunks::<8>();
        let number = |index: usize| {
            let bytes = numbers.get(index).expect("an entry has four numbers");
            i64::from_be_bytes(*bytes)
        };
        Self {
            version: i16::from_be_bytes([*v0, *v1]),
            producer_id: number(0),
            first_offset: number(1),
            last_offset: number(2),
            last_stable_offset: number(3),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_is_read_field_by_field() {
        let mut bytes = [0; AbortedTransaction::LEN];
        for (at, byte) in [(9, 7), (17, 10), (25, 20), (33, 11)] {
            bytes[at] = byte;
        }
        let expected = AbortedTransaction {
            version: 0,
            producer_id: 7,
            first_offset: 10,
            last_offset: 20,
            last_stable_offset: 11,
        };
        assert_eq!(AbortedTransaction::decode(&bytes), expected);
    }
}
