//! The building blocks of Kafka's wire format: how a number, a string, an array or a tagged field
//! becomes bytes and back.
//!
//! Every API version is either *classic* (fixed-width lengths, -1 for null) or *flexible* (KIP-482:
//! varint lengths shifted by one so that 0 is null, and a block of tagged fields after each
//! structure). Which of the two applies travels along as [`Format`].
//!
//! Files in the order bytes flow:
//! - `varint`: variable-length integers over plain slices
//! - `decoder`: bounded reads from one frame
//! - `encoder`: writes into a buffer that may contain gaps for file ranges
//! - `wire`: the [`Wire`] trait and its implementations for the primitive types
//! - `records`: the record set of a fetch response
//! - `sample`: random values of every type, for tests only

mod decoder;
mod encoder;
mod records;
#[cfg(feature = "test-util")]
mod sample;
pub mod varint;
mod wire;

pub use decoder::{DecodeError, Decoder};
pub use encoder::{EncodeError, Encoder, Gap, TaggedFieldWriter};
pub use records::Records;
#[cfg(feature = "test-util")]
pub use sample::{Sample, SampleSource};
pub use wire::Wire;

/// How a structure is laid out: the API version it belongs to, and whether that is flexible.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Format {
    /// The version named in the request header; decides which fields are there.
    pub version: i16,
    /// True where the version uses compact lengths and tagged fields (KIP-482).
    pub flexible: bool,
}

/// An inclusive range of API versions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct VersionRange {
    /// The lowest version in the range.
    pub min: i16,
    /// The highest version in the range.
    pub max: i16,
}

impl VersionRange {
    /// Whether `version` lies within the range.
    pub const fn contains(self, version: i16) -> bool {
        self.min <= version && version <= self.max
    }

    /// All versions from the lowest to the highest.
    pub fn iter(self) -> impl Iterator<Item = i16> {
        self.min..=self.max
    }
}

impl std::fmt::Display for VersionRange {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{} to {}", self.min, self.max)
    }
}
