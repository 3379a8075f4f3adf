//! Between `wasi:http` and [`crate::answer`]: as few host calls as an answer needs.

use sophia_sdk as _;
use wasip2::{
    exports::http::incoming_handler::Guest,
    http::types::{ErrorCode, Fields, IncomingRequest, Method, OutgoingBody, OutgoingResponse, ResponseOutparam},
    io::streams::{InputStream, OutputStream, StreamError},
};

use crate::answer::{self, Answer, Route};

/// What is asked of the host at once.
const CHUNK_BYTES: u64 = 64 << 10;

struct Hello;

wasip2::http::proxy::export!(Hello);

impl Guest for Hello {
    fn handle(request: IncomingRequest, out: ResponseOutparam) {
        let method = request.method();
        let path = request.path_with_query().unwrap_or_default();
        match answer::route(method_name(&method), &path) {
            Route::Hello => send(out, answer::hello(), None),
            Route::Echo => match read(&request) {
                Ok(body) => send(out, answer::echo(body), None),
                Err(error) => ResponseOutparam::set(out, Err(error)),
            },
            Route::Stream => stream(&request, out),
            Route::NotAllowed(allow) => send(out, answer::refusal(405), Some(allow)),
            Route::NotFound => send(out, answer::refusal(404), None),
        }
    }
}

fn method_name(method: &Method) -> &str {
    match method {
        Method::Get => "GET",
        Method::Head => "HEAD",
        Method::Post => "POST",
        Method::Put => "PUT",
        Method::Patch => "PATCH",
        Method::Delete => "DELETE",
        Method::Options => "OPTIONS",
        Method::Connect => "CONNECT",
        Method::Trace => "TRACE",
        Method::Other(name) => name,
    }
}

fn send(out: ResponseOutparam, answer: Answer, allow: Option<&str>) {
    let length = answer.body.len().to_string();
    let mut headers = vec![header("content-type", answer.content_type), header("content-length", &length)];
    headers.extend(allow.map(|allow| header("allow", allow)));
    let Some((body, stream)) = begin(out, answer.status, &headers) else { return };
    if write_all(&stream, &answer.body).is_ok() {
        finish(body, stream);
    }
}

/// Passes pieces from one stream to the other inside the host: they never enter this memory.
fn stream(request: &IncomingRequest, out: ResponseOutparam) {
    let Some(input) = open(request) else { return ResponseOutparam::set(out, Err(no_body())) };
    let headers: Vec<_> =
        request.headers().get("content-type").into_iter().take(1).map(|t| ("content-type".to_owned(), t)).collect();
    let Some((body, output)) = begin(out, 200, &headers) else { return };
    loop {
        match output.blocking_splice(&input.stream, CHUNK_BYTES) {
            Ok(_) => {}
            Err(StreamError::Closed) => return finish(body, output),
            // Dropping an unfinished body tells the caller that it is broken.
            Err(StreamError::LastOperationFailed(_)) => return,
        }
    }
}

/// Sends the head. None where the host takes none any more: then there is nobody to tell.
fn begin(out: ResponseOutparam, status: u16, headers: &[(String, Vec<u8>)]) -> Option<(OutgoingBody, OutputStream)> {
    let headers = Fields::from_list(headers).ok()?;
    let response = OutgoingResponse::new(headers);
    response.set_status_code(status).ok()?;
    let body = response.body().ok()?;
    let stream = body.write().ok()?;
    ResponseOutparam::set(out, Ok(response));
    Some((body, stream))
}

fn finish(body: OutgoingBody, stream: OutputStream) {
    // The body waits for its stream to be gone.
    drop(stream);
    // Refused where the caller went away, which is nothing to act on.
    let _ = OutgoingBody::finish(body, None);
}

fn write_all(stream: &OutputStream, mut bytes: &[u8]) -> Result<(), StreamError> {
    while !bytes.is_empty() {
        let room = usize::try_from(stream.check_write()?).unwrap_or(usize::MAX);
        if room == 0 {
            stream.subscribe().block();
            continue;
        }
        let (now, later) = bytes.split_at(room.min(bytes.len()));
        stream.write(now)?;
        bytes = later;
    }
    Ok(())
}

/// A body being read. The stream is dropped before what it comes from.
struct Input {
    stream: InputStream,
    _body: wasip2::http::types::IncomingBody,
}

fn open(request: &IncomingRequest) -> Option<Input> {
    let body = request.consume().ok()?;
    let stream = body.stream().ok()?;
    Some(Input { stream, _body: body })
}

/// The whole body; the host bounds it.
fn read(request: &IncomingRequest) -> Result<Vec<u8>, ErrorCode> {
    let input = open(request).ok_or_else(no_body)?;
    let mut bytes = Vec::new();
    loop {
        match input.stream.blocking_read(CHUNK_BYTES) {
            Ok(mut piece) if bytes.is_empty() => std::mem::swap(&mut bytes, &mut piece),
            Ok(piece) => bytes.extend_from_slice(&piece),
            Err(StreamError::Closed) => return Ok(bytes),
            Err(StreamError::LastOperationFailed(error)) => {
                return Err(ErrorCode::InternalError(Some(error.to_debug_string())));
            }
        }
    }
}

fn no_body() -> ErrorCode {
    ErrorCode::InternalError(Some("the request's body is taken".to_owned()))
}

fn header(name: &str, value: &str) -> (String, Vec<u8>) {
    (name.to_owned(), value.as_bytes().to_vec())
}
