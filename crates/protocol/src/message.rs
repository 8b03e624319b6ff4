//! What every request and response is, and the macro that declares them.
//!
//! A file under `messages/` reads like a table: each field with its meaning, its type, its default
//! and the versions that have it. The macro turns the table into structures and into the code that
//! reads and writes them.
//!
//! Rules that the generated code keeps:
//! - Fields are on the wire in the order of declaration.
//! - A field that the version at hand lacks is left at its default when reading and left out when
//!   writing. A handler therefore fills in everything it knows, and the version decides.
//! - A tagged field is written only if it differs from its default. Unknown tags are skipped.

use crate::ApiKey;
use crate::primitives::{DecodeError, Decoder, EncodeError, Encoder, Format, VersionRange, Wire};

/// The body of a request or a response.
pub trait Message: Wire + Default {
    /// The API it belongs to.
    const KEY: ApiKey;
    /// The versions that can be read and written.
    const VERSIONS: VersionRange;

    /// Whether `version` uses compact lengths and tagged fields (KIP-482).
    fn flexible(version: i16) -> bool;

    /// Reads the body of a message in `version`.
    fn decode(decoder: &mut Decoder<'_>, version: i16) -> Result<Self, DecodeError> {
        if !Self::VERSIONS.contains(version) {
            return Err(DecodeError::UnsupportedVersion { version });
        }
        let format = Format {
            version,
            flexible: Self::flexible(version),
        };
        Wire::decode(decoder, format)
    }

    /// Writes the body of a message in `version`.
    fn encode(&self, encoder: &mut Encoder, version: i16) -> Result<(), EncodeError> {
        if !Self::VERSIONS.contains(version) {
            return Err(EncodeError::UnsupportedVersion { version });
        }
        let format = Format {
            version,
            flexible: Self::flexible(version),
        };
        Wire::encode(self, encoder, format)
    }
}

/// Declares messages and the structures inside them.
///
/// ```text
/// message! {
///     /// What the request asks for.
///     pub struct ExampleRequest for Example, versions 2..=7, flexible 5.. {
///         /// A field of every version.
///         pub timeout_ms: i32;
///         /// A field of some versions; elsewhere it has the default -1.
///         pub epoch: i32 = -1, in 4..;
///         /// Nullable in all versions that have it.
///         pub rack: Option<String>, in 3..=6;
///         /// Nullable from version 6; a null before that is an error in both directions.
///         pub topics: Option<Vec<ExampleTopic>>, null in 6..;
///         /// A tagged field.
///         pub cluster_id: Option<String>, in 5.., tag 0;
///     }
///
///     /// A structure inside a message: no API, no versions of its own.
///     pub struct ExampleTopic { … }
/// }
/// ```
///
/// - `for KEY, versions MIN..=MAX` makes the structure a [`Message`] of `ApiKey::KEY`.
/// - `flexible MIN..` names the first flexible version; without it no version is flexible.
/// - `= VALUE` is the default, where it is not zero, empty or null.
/// - `in RANGE`, `null in RANGE` are ranges of versions, open ends allowed.
/// - `tag NUMBER in RANGE` moves the field into the tagged block. Declare tags in rising order.
///
/// A crate that uses the macro for records of its own needs a feature `test-util` that enables the
/// one here.
#[macro_export]
macro_rules! message {
    ($(
        $(#[$meta:meta])*
        pub struct $name:ident
        $(for $key:ident, versions $min:literal..=$max:literal $(, flexible $flexible:literal..)?)?
        {
            $(
                $(#[$field_meta:meta])*
                pub $field:ident: $type:ty $(= $default:expr)?
                $(, in $versions:expr)? $(, null in $nullable:expr)?
                $(, tag $tag:literal in $tagged:expr)?;
            )*
        }
    )*) => { $(
        $(#[$meta])*
        #[derive(Debug, Clone, PartialEq, Eq)]
        pub struct $name {
            $(
                $(#[$field_meta])*
                $(#[doc = concat!("\n\nIn versions `", stringify!($versions), "`.")])?
                $(#[doc = concat!("\n\nIn versions `", stringify!($tagged), "`, tagged.")])?
                pub $field: $type,
            )*
        }

        impl Default for $name {
            fn default() -> Self {
                Self { $( $field: $crate::message!(@default $($default)?), )* }
            }
        }

        #[allow(unused_mut, unused_variables, reason = "most structures have no tagged field")]
        impl $crate::Wire for $name {
            fn decode(
                decoder: &mut $crate::Decoder<'_>,
                format: $crate::Format,
            ) -> Result<Self, $crate::DecodeError> {
                let mut message = Self::default();
                $( $crate::message!(@unless_tagged [$($tag)?] {
                    $(if ($versions).contains(&format.version))? {
                        message.$field = $crate::Wire::decode(decoder, format)?;
                        $(if message.$field.is_null() && !($nullable).contains(&format.version) {
                            let at = decoder.position();
                            return Err($crate::DecodeError::UnexpectedNull { at });
                        })?
                    }
                }); )*
                if format.flexible {
                    decoder.read_tagged_fields(|decoder, tag| match tag {
                        $( $( $tag if ($tagged).contains(&format.version) => {
                            message.$field = $crate::Wire::decode(decoder, format)?;
                            Ok(true)
                        } )? )*
                        _ => Ok(false),
                    })?;
                }
                Ok(message)
            }

            fn encode(
                &self,
                encoder: &mut $crate::Encoder,
                format: $crate::Format,
            ) -> Result<(), $crate::EncodeError> {
                $( $crate::message!(@unless_tagged [$($tag)?] {
                    $(if ($versions).contains(&format.version))? {
                        $(if self.$field.is_null() && !($nullable).contains(&format.version) {
                            let (field, version) = (stringify!($field), format.version);
                            return Err($crate::EncodeError::NullNotAllowed { field, version });
                        })?
                        $crate::Wire::encode(&self.$field, encoder, format)?;
                    }
                }); )*
                if format.flexible {
                    let mut tagged = $crate::primitives::TaggedFieldWriter::default();
                    $( $( if ($tagged).contains(&format.version)
                        && self.$field != Self::default().$field
                    {
                        tagged.add($tag, &self.$field, format)?;
                    } )? )*
                    tagged.finish(encoder);
                }
                Ok(())
            }
        }

        #[cfg(feature = "test-util")]
        impl $crate::primitives::Sample for $name {
            fn sample(
                source: &mut $crate::primitives::SampleSource,
                format: $crate::Format,
            ) -> Self {
                let mut message = Self::default();
                $(
                    $(if ($versions).contains(&format.version))?
                    $(if ($tagged).contains(&format.version))? {
                        if source.below(4) != 0 {
                            message.$field = $crate::primitives::Sample::sample(source, format);
                        }
                        $(while $crate::Wire::is_null(&message.$field)
                            && !($nullable).contains(&format.version)
                        {
                            message.$field = $crate::primitives::Sample::sample(source, format);
                        })?
                    }
                )*
                message
            }
        }

        $(
            impl $crate::Message for $name {
                const KEY: $crate::ApiKey = $crate::ApiKey::$key;
                const VERSIONS: $crate::VersionRange =
                    $crate::VersionRange { min: $min, max: $max };

                fn flexible(version: i16) -> bool {
                    $crate::message!(@flexible version $($flexible)?)
                }
            }
        )?
    )* };

    (@default) => { Default::default() };
    (@default $default:expr) => { $default };

    (@flexible $version:ident) => {{ let _ = $version; false }};
    (@flexible $version:ident $flexible:literal) => { $flexible <= $version };

    (@unless_tagged [] $body:block) => { $body };
    (@unless_tagged [$tag:literal] $body:block) => {};
}

pub(crate) use message;
