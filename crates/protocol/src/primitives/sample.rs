//! Random values of every type that can be a field, for tests.
//!
//! A value is drawn for one version: fields that the version lacks keep their defaults and nulls
//! appear only where the version has them, so what is drawn can be written and read back.

use crate::ErrorCode;
use crate::primitives::{Format, Records};
use bytes::Bytes;
use uuid::Uuid;

/// A reproducible stream of random numbers (SplitMix64).
#[derive(Debug)]
pub struct SampleSource {
    state: u64,
}

impl SampleSource {
    /// The same seed gives the same values.
    pub fn new(seed: u64) -> Self {
        Self { state: seed }
    }

    /// The next 64 random bits.
    pub fn next_u64(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `bound`.
    pub fn below(&mut self, bound: u64) -> u64 {
        self.next_u64() % bound
    }
}

/// A type that can be drawn at random.
pub trait Sample {
    /// Draws a value that `format` can carry.
    fn sample(source: &mut SampleSource, format: Format) -> Self;
}

macro_rules! sample_integer {
    ($($type:ty),*) => { $(
        impl Sample for $type {
            fn sample(source: &mut SampleSource, _: Format) -> Self {
                source.next_u64() as $type
            }
        }
    )* };
}

sample_integer!(i8, i16, u16, i32, i64);

impl Sample for bool {
    fn sample(source: &mut SampleSource, _: Format) -> Self {
        source.below(2) == 1
    }
}

impl Sample for Uuid {
    fn sample(source: &mut SampleSource, _: Format) -> Self {
        Uuid::from_u64_pair(source.next_u64(), source.next_u64())
    }
}

impl Sample for ErrorCode {
    fn sample(source: &mut SampleSource, _: Format) -> Self {
        let index = source.below(ErrorCode::ALL.len() as u64);
        ErrorCode::ALL
            .get(index as usize)
            .copied()
            .unwrap_or_default()
    }
}

impl Sample for String {
    /// Mostly short; now and then long enough for a two-byte length. Not only ASCII.
    fn sample(source: &mut SampleSource, _: Format) -> Self {
        let len = if source.below(16) == 0 {
            source.below(400)
        } else {
            source.below(12)
        };
        (0..len)
            .map(|_| char::from(b'a' + source.below(26) as u8))
            .chain(['ß'])
            .collect()
    }
}

impl Sample for Bytes {
    fn sample(source: &mut SampleSource, _: Format) -> Self {
        let len = if source.below(16) == 0 {
            source.below(400)
        } else {
            source.below(12)
        };
        (0..len).map(|_| source.next_u64() as u8).collect()
    }
}

impl<T: Sample> Sample for Vec<T> {
    fn sample(source: &mut SampleSource, format: Format) -> Self {
        (0..source.below(4))
            .map(|_| T::sample(source, format))
            .collect()
    }
}

impl<T: Sample> Sample for Option<T> {
    fn sample(source: &mut SampleSource, format: Format) -> Self {
        (source.below(4) != 0).then(|| T::sample(source, format))
    }
}

impl Sample for Records {
    fn sample(source: &mut SampleSource, format: Format) -> Self {
        match Bytes::sample(source, format) {
            bytes if bytes.is_empty() => Records::Empty,
            bytes => Records::Inline(bytes),
        }
    }
}
