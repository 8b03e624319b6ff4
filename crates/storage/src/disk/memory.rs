//! In-memory file system for crash tests.
