//! Frames: a size of four bytes, a header, a body. Which version the header has follows from the
//! API and its version.

use bytes::Bytes;

use crate::message::{Message, Request};
use crate::messages::{RequestHeader, ResponseHeader};
use crate::problem::{DecodeError, EncodeError, Problem};
use crate::reader::Reader;
use crate::registry::{ApiKey, api_info};
use crate::text::StrBytes;
use crate::writer::{Part, Writer};

/// The version of the header in front of this request.
pub fn request_header_version(key: ApiKey, version: i16) -> i16 {
    if is_flexible(key, version) { 2 } else { 1 }
}

/// The version of the header in front of this response. That of ApiVersions is always 0, because
/// a client reads it before it knows what the server understands (KIP-511).
pub fn response_header_version(key: ApiKey, version: i16) -> i16 {
    i16::from(key != ApiKey::ApiVersions && is_flexible(key, version))
}

fn is_flexible(key: ApiKey, version: i16) -> bool {
    api_info(key).flexible_from.is_some_and(|from| version >= from)
}

/// Reads the header of a request, whose first four bytes say in which version it is. The body's
/// version may be one that nobody knows.
pub fn decode_request_header(r: &mut Reader) -> Result<RequestHeader, DecodeError> {
    let at = r.position();
    let mut ahead = Reader::new(r.rest());
    let (key, version) = (ahead.i16()?, ahead.i16()?);
    let key = ApiKey::from_i16(key).ok_or(DecodeError { at, problem: Problem::ApiKey(key) })?;
    RequestHeader::decode(r, request_header_version(key, version))
}

/// Reads the header of the response to this request.
pub fn decode_response_header(
    r: &mut Reader,
    key: ApiKey,
    version: i16,
) -> Result<ResponseHeader, DecodeError> {
    ResponseHeader::decode(r, response_header_version(key, version))
}

/// A whole request with its size in front.
pub fn encode_request<R: Request>(
    request: &R,
    version: i16,
    correlation_id: i32,
    client_id: Option<StrBytes>,
) -> Result<Bytes, EncodeError> {
    let header = RequestHeader {
        request_api_key: R::API_KEY as i16,
        request_api_version: version,
        correlation_id,
        client_id,
        ..RequestHeader::default()
    };
    let mut w = Writer::new();
    w.i32(0);
    header.encode(&mut w, request_header_version(R::API_KEY, version))?;
    request.encode(&mut w, version)?;
    set_size(&mut w)?;
    w.into_bytes()
}

/// A whole response with its size in front, in parts that can be sent without copying records.
pub fn encode_response<M: Message>(
    response: &M,
    key: ApiKey,
    version: i16,
    correlation_id: i32,
) -> Result<Vec<Part>, EncodeError> {
    let header = ResponseHeader { correlation_id, ..ResponseHeader::default() };
    let mut w = Writer::new();
    w.i32(0);
    header.encode(&mut w, response_header_version(key, version))?;
    response.encode(&mut w, version)?;
    set_size(&mut w)?;
    Ok(w.into_parts())
}

fn set_size(w: &mut Writer) -> Result<(), EncodeError> {
    let size = w.len() - 4;
    w.set_first_i32(i32::try_from(size).map_err(|_| EncodeError::TooLong(size))?);
    Ok(())
}
