//! Decisions: a request and an image become records, or an error code with a sentence.
//!
//! Everything here is pure. Nothing is applied: the caller commits the records and the image
//! follows.

pub mod topic_name;
