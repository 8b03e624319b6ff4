//! Tests of the codecs' formats and limits.

#![allow(clippy::unwrap_used)]

use super::decompress::{DECOMPRESSED_BYTES_MAX, DecompressError, decompress};
use super::*;

const CODECS: [Compression; 4] = [
    Compression::Gzip,
    Compression::Snappy,
    Compression::Lz4,
    Compression::Zstd,
];

fn all(codec: Compression, input: &[u8]) -> Result<Vec<u8>, DecompressError> {
    decompress(codec, input, DECOMPRESSED_BYTES_MAX).map(Vec::from)
}

fn len(codec: Compression, input: &[u8]) -> Result<usize, DecompressError> {
    all(codec, input).map(|output| output.len())
}

fn malformed(codec: Compression, reason: &str) -> DecompressError {
    DecompressError::Malformed {
        codec,
        reason: reason.to_owned(),
    }
}

/// Compressible and not, in lengths around every block size.
fn samples() -> Vec<Vec<u8>> {
    let mut random = 1_u32;
    let mut noise = |len| {
        let bytes = std::iter::repeat_with(|| {
            random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (random >> 24) as u8
        });
        bytes.take(len).collect::<Vec<u8>>()
    };
    let mut samples = Vec::new();
    for len in [
        0,
        1,
        1_000,
        32 << 10,
        (64 << 10) - 1,
        64 << 10,
        (64 << 10) + 1,
        1 << 20,
        3 << 20,
    ] {
        samples.push(noise(len));
        samples.push(b"odradek ".iter().copied().cycle().take(len).collect());
    }
    samples
}

#[test]
fn what_was_compressed_comes_back() {
    for codec in Compression::ALL {
        for sample in samples() {
            let compressed = codec.compress(&sample);
            assert!(
                all(codec, &compressed).unwrap() == sample,
                "{codec} {}",
                sample.len()
            );
        }
    }
}

#[test]
fn output_stops_at_the_limit() {
    let sample = vec![0; 1_000_000];
    for codec in Compression::ALL {
        let compressed = codec.compress(&sample);
        assert_eq!(
            decompress(codec, &compressed, 1_000_000).unwrap().len(),
            1_000_000
        );
        let limit = 999_999;
        let result = decompress(codec, &compressed, limit);
        assert_eq!(result, Err(DecompressError::TooLarge { codec, limit }));
    }
}

#[test]
fn every_truncation_is_an_error() {
    for codec in CODECS {
        let compressed = codec.compress(b"odradek odradek odradek odradek");
        for len in 1..compressed.len() {
            let result = all(codec, &compressed[..len]);
            // Framing alone does not tell that a snappy block is missing; the record count does.
            let at_block = codec == Compression::Snappy && len == 16;
            assert_eq!(result.is_ok(), at_block, "{codec} {len}");
        }
    }
}

#[test]
fn garbage_is_an_error() {
    for codec in CODECS {
        for garbage in [
            &b"\0"[..],
            b"\xff\xff\xff\xff\xff\xff",
            &[0; 100],
            &[0xaa; 100],
        ] {
            // To snappy a zero is an empty block.
            if codec != Compression::Snappy || garbage != b"\0" {
                all(codec, garbage).unwrap_err();
            }
        }
    }
}

#[test]
fn members_and_frames_that_follow_each_other_are_one_stream() {
    for codec in [Compression::Gzip, Compression::Zstd] {
        let twice = [codec.compress(b"odra"), codec.compress(b"dek")].concat();
        assert_eq!(all(codec, &twice).unwrap(), b"odradek", "{codec}");
    }
}

#[test]
fn snappy_is_read_raw_and_framed() {
    let sample = b"odradek ".repeat(1_000);
    let raw = snap::raw::Encoder::new().compress_vec(&sample).unwrap();
    assert_eq!(all(Compression::Snappy, &raw).unwrap(), sample);
    let framed = Compression::Snappy.compress(&sample);
    assert!(framed.starts_with(b"\x82SNAPPY\0\0\0\0\x01\0\0\0\x01"));
    assert_eq!(all(Compression::Snappy, &framed).unwrap(), sample);
}

#[test]
fn an_empty_snappy_block_is_not_the_end() {
    let mut framed = Compression::Snappy.compress(b"");
    for block in [&b"\0"[..], b"\x02\x04ab"] {
        framed.extend((block.len() as u32).to_be_bytes());
        framed.extend(block);
    }
    assert_eq!(all(Compression::Snappy, &framed).unwrap(), b"ab");
}

#[test]
fn a_snappy_block_is_not_believed_to_hold_more_than_it_can() {
    let claims_4_gib = b"\xff\xff\xff\xff\x0f\0";
    let expected = malformed(
        Compression::Snappy,
        "a block declares more than its bytes can hold",
    );
    assert_eq!(all(Compression::Snappy, claims_4_gib), Err(expected));
}

/// The best that the format can do: one literal, then copies of 64 bytes at offset 1.
fn snappy_bomb(copies: usize) -> Vec<u8> {
    let mut block = Vec::new();
    let mut len = 1 + 64 * copies;
    while len >= 0x80 {
        block.push(len as u8 | 0x80);
        len >>= 7;
    }
    block.push(len as u8);
    block.extend([0, b'x']);
    block.extend([0b1111_1110, 1, 0].repeat(copies));
    block
}

#[test]
fn a_snappy_block_may_expand_without_bounds_while_it_is_small() {
    let codec = Compression::Snappy;
    let copies = (8 << 20) / 64 - 1;
    assert_eq!(len(codec, &snappy_bomb(copies)), Ok(1 + 64 * copies));
    let expected = DecompressError::TooLarge {
        codec,
        limit: 8 << 20,
    };
    assert_eq!(len(codec, &snappy_bomb(copies + 1)), Err(expected));
    // What compresses to an eighth or worse may be larger.
    let noise = samples().remove(16);
    let text = samples().remove(17);
    let sample = [noise, text.repeat(3)].concat();
    let raw = snap::raw::Encoder::new().compress_vec(&sample).unwrap();
    assert_eq!(len(codec, &raw), Ok(sample.len()));
}

fn lz4_frame(info: lz4_flex::frame::FrameInfo, bytes: &[u8]) -> Vec<u8> {
    let mut encoder = lz4_flex::frame::FrameEncoder::with_frame_info(info, Vec::new());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

#[test]
fn lz4_frames_are_read_with_every_block_size_and_checksum() {
    use lz4_flex::frame::{BlockSize, FrameInfo};
    for size in [
        BlockSize::Max64KB,
        BlockSize::Max256KB,
        BlockSize::Max1MB,
        BlockSize::Max4MB,
    ] {
        for checksums in [false, true] {
            for sample in samples() {
                let info = FrameInfo::new()
                    .block_size(size)
                    .block_checksums(checksums)
                    .content_checksum(checksums)
                    .content_size(checksums.then_some(sample.len() as u64));
                let frame = lz4_frame(info, &sample);
                assert!(all(Compression::Lz4, &frame).unwrap() == sample);
            }
        }
    }
}

#[test]
fn every_changed_bit_of_a_checked_lz4_frame_is_noticed() {
    use lz4_flex::frame::FrameInfo;
    let info = FrameInfo::new()
        .block_checksums(true)
        .content_checksum(true)
        .content_size(Some(56));
    let frame = lz4_frame(info, &b"odradek ".repeat(7));
    all(Compression::Lz4, &frame).unwrap();
    for at in 0..frame.len() {
        for bit in 0..8 {
            let mut changed = frame.clone();
            changed[at] ^= 1 << bit;
            assert!(
                all(Compression::Lz4, &changed).is_err(),
                "byte {at} bit {bit}"
            );
        }
    }
}

#[test]
fn lz4_that_consumers_could_not_read_is_refused() {
    use lz4_flex::frame::{BlockMode, FrameInfo};
    let codec = Compression::Lz4;
    let linked = lz4_frame(FrameInfo::new().block_mode(BlockMode::Linked), b"odradek");
    let expected = DecompressError::Unsupported {
        codec,
        feature: "linked blocks",
    };
    assert_eq!(all(codec, &linked), Err(expected));
    let frame = codec.compress(b"odradek");
    let twice = [frame.as_slice(), &frame].concat();
    assert_eq!(
        all(codec, &twice),
        Err(DecompressError::TrailingBytes(codec))
    );
    let without_end = &frame[..frame.len() - 4];
    assert_eq!(
        all(codec, without_end),
        Err(DecompressError::Truncated(codec))
    );
}

#[test]
fn an_lz4_block_larger_than_its_frame_allows_is_refused() {
    let mut frame = Compression::Lz4.compress(&[]);
    frame.truncate(7);
    frame.extend((0x8000_0000_u32 + 65_537).to_le_bytes());
    frame.extend(vec![0; 65_537]);
    let expected = malformed(Compression::Lz4, "a block is larger than the header allows");
    assert_eq!(all(Compression::Lz4, &frame), Err(expected));
}

/// Compresses without telling the size, as the Java client does, so that the window is declared.
fn zstd_with_window(window_log: u32, len: usize) -> Vec<u8> {
    let mut encoder = ::zstd::stream::write::Encoder::new(Vec::new(), 1).unwrap();
    encoder.window_log(window_log).unwrap();
    let zeros = vec![0; 64 << 10];
    let mut left = len;
    while left > 0 {
        let count = left.min(zeros.len());
        encoder.write_all(&zeros[..count]).unwrap();
        left -= count;
    }
    encoder.finish().unwrap()
}

#[test]
fn a_large_zstd_window_is_allowed_for_little_output_only() {
    let codec = Compression::Zstd;
    for output in [1 << 20, 7 << 20] {
        assert_eq!(len(codec, &zstd_with_window(27, output)), Ok(output));
    }
    assert_eq!(len(codec, &zstd_with_window(23, 20 << 20)), Ok(20 << 20));
    let expected = DecompressError::TooLarge {
        codec,
        limit: 8 << 20,
    };
    assert_eq!(len(codec, &zstd_with_window(24, 20 << 20)), Err(expected));
}

#[test]
fn a_zstd_window_beyond_what_clients_accept_is_refused() {
    let codec = Compression::Zstd;
    let feature = "a window of more than 128 MiB";
    for output in [1_000_000, 2_000_000] {
        let expected = DecompressError::Unsupported { codec, feature };
        assert_eq!(len(codec, &zstd_with_window(28, output)), Err(expected));
        assert_eq!(len(codec, &zstd_with_window(27, output)), Ok(output));
    }
}

#[test]
fn a_broken_stream_leaves_nothing_behind_for_the_next() {
    let sample = vec![b'x'; 200_000];
    for codec in CODECS {
        let compressed = codec.compress(&sample);
        let _ = all(codec, &compressed[..compressed.len() / 2]);
        assert!(all(codec, &compressed).unwrap() == sample, "{codec}");
    }
}
