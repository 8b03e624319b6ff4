//! The tools, one file each, under the names of Kafka's scripts without `kafka-` and `.sh`.

mod console_consumer;
mod console_producer;
mod get_offsets;
mod topics;

use clap::Parser;

use crate::{Outcome, output};

macro_rules! tools {
    ($( $variant:ident = $name:literal, $module:ident; )*) => {
        /// A tool.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub(crate) enum Tool {
            $( $variant, )*
        }

        impl Tool {
            const ALL: &[Self] = &[ $( Self::$variant, )* ];

            /// Its name.
            pub(crate) const fn name(self) -> &'static str {
                match self {
                    $( Self::$variant => $name, )*
                }
            }

            /// Runs it.
            pub(crate) async fn run(self, arguments: Vec<String>) -> Outcome {
                match self {
                    $( Self::$variant => match parse(&arguments) {
                        Ok(options) => $module::run(options).await,
                        Err(outcome) => outcome,
                    }, )*
                }
            }
        }
    };
}

tools! {
    ConsoleConsumer = "console-consumer", console_consumer;
    ConsoleProducer = "console-producer", console_producer;
    GetOffsets = "get-offsets", get_offsets;
    Topics = "topics", topics;
}

impl Tool {
    /// The tool with that name.
    pub(crate) fn find(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|tool| tool.name() == name)
    }

    /// All names, for messages.
    pub(crate) fn names() -> String {
        let names: Vec<_> = Self::ALL.iter().map(|tool| tool.name()).collect();
        names.join(", ")
    }
}

/// Reads the options of a tool; help is printed to standard output, a mistake with the usage to
/// standard error.
fn parse<P: Parser>(arguments: &[String]) -> Result<P, Outcome> {
    P::try_parse_from(arguments).map_err(|error| {
        if error.use_stderr() {
            output::error(error.render().to_string().trim_end());
            Outcome::Failed
        } else {
            output::line(error.render().to_string().trim_end());
            Outcome::Done
        }
    })
}
