//! ApiVersions. The successful responses are shortened to two APIs.

use crate::{check_request, check_response, hex};
use odradek_protocol::messages::api_versions::*;
use odradek_protocol::{ApiKey, Decoder, ErrorCode, RequestHeader};

fn two_apis() -> Vec<ApiVersion> {
    vec![
        ApiVersion {
            api_key: 0,
            min_version: 0,
            max_version: 13,
        },
        ApiVersion {
            api_key: 18,
            min_version: 0,
            max_version: 4,
        },
    ]
}

#[test]
fn api_versions_version_0_asks_without_a_body() {
    let request = ["00000010", "0012 0000 00000001 0006 676f6c64656e"];
    check_request(0, 1, &request, &ApiVersionsRequest::default());

    let response = [
        "00000016",
        "00000001 0000", // correlation id, no error
        "00000002",      // two APIs
        "0000 0000 000d 0012 0000 0004",
    ];
    let expected = ApiVersionsResponse {
        api_keys: two_apis(),
        ..Default::default()
    };
    check_response(0, 1, &response, &expected);
}

#[test]
fn api_versions_version_3_says_who_asks_and_answers_with_features() {
    let request = [
        "0000001d",
        "0012 0003 00000002 0006 676f6c64656e 00",
        "07 676f6c64656e 04 312e30 00", // "golden" "1.0"
    ];
    let expected = ApiVersionsRequest {
        client_software_name: "golden".to_owned(),
        client_software_version: "1.0".to_owned(),
    };
    check_request(3, 2, &request, &expected);

    let response = [
        "00000056",
        "00000002", // correlation id, and never tags
        "0000 03",  // no error, two APIs
        "0000 0000 000d 00 0012 0000 0004 00",
        "00000007",                                                  // throttle time
        "03",                                                        // three tagged fields
        "00 17 02 11 6d657461646174612e76657273696f6e 0001 0019 00", // supported, 23 bytes
        "01 08 0000000000000005", // epoch of the finalized features
        "02 17 02 11 6d657461646174612e76657273696f6e 0019 0001 00", // finalized, 23 bytes
    ];
    let expected = ApiVersionsResponse {
        api_keys: two_apis(),
        throttle_time_ms: 7,
        supported_features: vec![SupportedFeatureKey {
            name: "metadata.version".to_owned(),
            min_version: 1,
            max_version: 25,
        }],
        finalized_features_epoch: 5,
        finalized_features: vec![FinalizedFeatureKey {
            name: "metadata.version".to_owned(),
            max_version_level: 25,
            min_version_level: 1,
        }],
        ..ApiVersionsResponse::default()
    };
    check_response(3, 2, &response, &expected);
}

#[test]
fn api_versions_version_4_is_laid_out_like_version_3() {
    let request = [
        "0000001d",
        "0012 0004 00000003 0006 676f6c64656e 00",
        "07 676f6c64656e 04 312e30 00",
    ];
    let expected = ApiVersionsRequest {
        client_software_name: "golden".to_owned(),
        client_software_version: "1.0".to_owned(),
    };
    check_request(4, 3, &request, &expected);
}

#[test]
fn an_unknown_api_versions_version_is_answered_in_version_0() {
    let request = hex(&[
        "0012 0063 00000010 0006 676f6c64656e 00",
        "07 676f6c64656e 04 312e30 00",
    ]);
    let header = RequestHeader::decode(&mut Decoder::new(&request)).unwrap();
    assert_eq!(
        (header.api_key, header.api_version),
        (ApiKey::ApiVersions, 99)
    );

    let response = [
        "00000010",
        "00000010 0023",           // correlation id, UNSUPPORTED_VERSION
        "00000001 0012 0000 0004", // the versions of ApiVersions itself
    ];
    let expected = ApiVersionsResponse {
        error_code: ErrorCode::UnsupportedVersion,
        api_keys: vec![ApiVersion {
            api_key: 18,
            min_version: 0,
            max_version: 4,
        }],
        ..ApiVersionsResponse::default()
    };
    check_response(0, 16, &response, &expected);
}
