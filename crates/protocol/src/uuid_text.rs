//! How Kafka writes a UUID: the sixteen bytes in URL-safe base64 without padding, 22 characters.

use uuid::Uuid;

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
const TEXT_LEN: usize = 22;
/// 22 characters carry 132 bits; the last four are zero.
const PADDING_BITS: u32 = 4;

/// The UUID as text.
pub fn encode(id: Uuid) -> String {
    let bits = id.as_u128();
    (0..TEXT_LEN as u32)
        .map(|digit| {
            let shift = 6 * (TEXT_LEN as u32 - 1 - digit);
            let value = if shift < PADDING_BITS {
                bits << PADDING_BITS
            } else {
                bits >> (shift - PADDING_BITS)
            };
            char::from(ALPHABET[(value & 0x3f) as usize])
        })
        .collect()
}

/// The UUID behind a text that [`encode`] wrote; `None` for any other text.
pub fn decode(text: &str) -> Option<Uuid> {
    if text.len() != TEXT_LEN {
        return None;
    }
    let mut bits = 0_u128;
    for (index, byte) in text.bytes().enumerate() {
        let value = ALPHABET.iter().position(|&letter| letter == byte)? as u128;
        bits = if index + 1 < TEXT_LEN {
            bits << 6 | value
        } else if value.trailing_zeros() >= PADDING_BITS {
            bits << 2 | value >> PADDING_BITS
        } else {
            return None;
        };
    }
    Some(Uuid::from_u128(bits))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_uuid_is_written_as_kafka_writes_it() {
        // Kafka's Uuid.ONE_UUID and METADATA_TOPIC_ID are this one.
        assert_eq!(encode(Uuid::from_u128(1)), "AAAAAAAAAAAAAAAAAAAAAQ");
        assert_eq!(encode(Uuid::max()), "_____________________w");
        assert_eq!(encode(Uuid::nil()), "AAAAAAAAAAAAAAAAAAAAAA");
    }

    #[test]
    fn every_uuid_survives_the_round_trip() {
        let mut bits = 0x0123_4567_89ab_cdef_1032_5476_98ba_dcfe_u128;
        for _ in 0..1000 {
            bits = bits.rotate_left(7).wrapping_mul(0x5851_f42d_4c95_7f2d);
            let id = Uuid::from_u128(bits);
            assert_eq!(decode(&encode(id)), Some(id));
        }
    }

    #[test]
    fn anything_else_is_refused() {
        for text in [
            "",
            "AAAA",
            "AAAAAAAAAAAAAAAAAAAAAB",
            "AAAAAAAAAAAAAAAAAAAA+Q",
            "äAAAAAAAAAAAAAAAAAAAA",
        ] {
            assert_eq!(decode(text), None, "{text}");
        }
    }
}
