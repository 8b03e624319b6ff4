//! What gives committed entries their meaning, from the log's side.

use bytes::Bytes;

use crate::entry::LogId;

/// Why a state machine refuses an entry or a snapshot: it cannot know what it means.
pub type StateMachineError = Box<dyn std::error::Error + Send + Sync>;

/// Applies committed entries in the order of the log, each once per life of the process.
///
/// Called on the quorum's thread only; must not block on anything that waits for a commit.
pub trait StateMachine: Send + 'static {
    /// Applies the payload of a normal entry. A refusal is final: this voter stops.
    fn apply(&mut self, id: LogId, payload: &Bytes) -> Result<(), StateMachineError>;

    /// Everything applied so far, as bytes that [`Self::restore`] understands.
    fn snapshot(&self) -> Bytes;

    /// Starts over from a snapshot whose last entry is `last`.
    fn restore(&mut self, last: LogId, data: &Bytes) -> Result<(), StateMachineError>;
}
