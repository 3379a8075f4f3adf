//! An endpoint on `wasi:http` 0.3: the guest reads a body piece by piece and writes each piece
//! back before it reads the next; anything else gets a line.

use wasip3::exports::http::handler::Guest;
use wasip3::http::types::{ErrorCode, Fields, Method, Request, Response};
use wasip3::wit_bindgen::{StreamReader, StreamResult, StreamWriter};
use wasip3::{spawn_local, wit_future, wit_stream};

/// Pieces of this size keep the guest's memory small whatever the body's length.
const PIECE_BYTES: usize = 16 << 10;

wasip3::http::service::export!(Wasi03);

struct Wasi03;

impl Guest for Wasi03 {
    async fn handle(request: Request) -> Result<Response, ErrorCode> {
        match request.get_method() {
            Method::Post => Ok(echo(request)),
            _ => Ok(hello()),
        }
    }
}

fn hello() -> Response {
    let (mut body, answer) = wit_stream::new();
    spawn_local(async move {
        body.write_all(b"hello from Rust on WASI 0.3\n".to_vec()).await;
    });
    respond(Fields::new(), answer)
}

/// Answers at once; the body follows for as long as the caller sends.
fn echo(request: Request) -> Response {
    let fields = Fields::new();
    let kind = request.get_headers().get("content-type");
    let _ = fields.set("content-type", &kind);
    let (consumed, consumed_result) = wit_future::new(|| Ok(()));
    let (incoming, _trailers) = Request::consume_body(request, consumed_result);
    let (outgoing, answer) = wit_stream::new();
    spawn_local(async move {
        copy(incoming, outgoing).await;
        drop(consumed);
    });
    respond(fields, answer)
}

async fn copy(mut incoming: StreamReader<u8>, mut outgoing: StreamWriter<u8>) {
    let mut piece = Vec::with_capacity(PIECE_BYTES);
    loop {
        let (result, read) = incoming.read(piece).await;
        if result == StreamResult::Dropped && read.is_empty() {
            return;
        }
        piece = outgoing.write_all(read).await;
        if !piece.is_empty() {
            return; // the caller went away
        }
        piece.reserve(PIECE_BYTES);
    }
}

fn respond(fields: Fields, body: StreamReader<u8>) -> Response {
    let (trailers, trailers_result) = wit_future::new(|| Ok(None));
    drop(trailers);
    let (response, _sent) = Response::new(fields, Some(body), trailers_result);
    response
}
