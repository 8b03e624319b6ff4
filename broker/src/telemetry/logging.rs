//! Log lines: one readable line per event for people, one JSON object per line for machines.
//!
//! Lines go to standard error. The filter is the usual `level` or `target=level` list, such as
//! `info,odradek_storage=debug`. Levels follow who must act: *error* means a person must look,
//! *warn* that something was refused or is not as it should be, *info* what the broker did with
//! itself; nothing per request is above *debug*.

use std::io::{self, IsTerminal};

use tracing::level_filters::LevelFilter;
use tracing_subscriber::{
    Layer, Registry,
    filter::Targets,
    fmt,
    layer::SubscriberExt,
    util::{SubscriberInitExt, TryInitError},
};

/// For whom the lines are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Format {
    /// For people; coloured on a terminal.
    #[default]
    Text,
    /// For machines.
    Json,
}

/// Which events are written.
pub type Filter = Targets;

/// Begins logging for the whole process. Fails when somebody in this process logs already.
pub fn begin(format: Format, filter: Filter) -> Result<(), TryInitError> {
    let lines = fmt::layer().with_writer(io::stderr);
    let layer: Box<dyn Layer<Registry> + Send + Sync> = match format {
        Format::Json => lines.json().flatten_event(true).boxed(),
        Format::Text => {
            // Where a line comes from helps the one who debugs and tires everybody else.
            let verbose = Some(LevelFilter::INFO) < Layer::<Registry>::max_level_hint(&filter);
            lines
                .with_ansi(io::stderr().is_terminal())
                .with_target(verbose)
                .boxed()
        }
    };
    tracing_subscriber::registry()
        .with(layer.with_filter(filter))
        .try_init()
}
