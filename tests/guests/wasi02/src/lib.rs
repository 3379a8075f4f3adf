//! An endpoint on `wasi:http` 0.2: a body comes back as it arrives, anything else gets a line.

use wstd::http::{Body, Error, Method, Request, Response};

#[wstd::http_server]
async fn main(request: Request<Body>) -> Result<Response<Body>, Error> {
    if request.method() != Method::POST {
        return Ok(Response::new("hello from Rust on WASI 0.2\n".to_owned().into()));
    }
    let mut response = Response::builder();
    if let Some(kind) = request.headers().get("content-type") {
        response = response.header("content-type", kind);
    }
    Ok(response.body(request.into_body())?)
}
